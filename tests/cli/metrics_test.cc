#include "cli/metrics.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <sstream>

#include "tests/base/temp_dir.h"

namespace ingot {
namespace {

bool holds(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

Event rollback(const std::string& reason, const std::string& outcome = "restored") {
    Event event;
    event.command = "rollback";
    event.stack = "rag";
    event.reason = reason;
    event.outcome = outcome;
    event.exit = outcome == "restored" ? 0 : 21;
    event.changes_live = true;
    event.began_ms = 1'700'000'000'000;
    event.duration_ms = 2500;
    event.outage_ms = 400;
    return event;
}

TEST(Metrics, LabelsAreEscaped) {
    EXPECT_EQ(label_text("a\"b\\c\nd"), "a\\\"b\\\\c\\\\x0ad");
    MetricsState state;
    count_event(state, rollback("50 % \"slow\"\n"));
    EXPECT_TRUE(holds(prometheus_text(state, "rag"), "rag_rollback_total{stack=\"rag\",reason=\"50 % \\\"slow\\\"\\\\x0a\"} 1\n"))
        << prometheus_text(state, "rag");
}

TEST(Metrics, CountRollbacksByReasonAndRestoresByOutcome) {
    MetricsState state;
    count_event(state, rollback("a"));
    count_event(state, rollback("a"));
    count_event(state, rollback(""));
    count_event(state, rollback("a", "rolled_back"));
    Event look = rollback("a");
    look.command = "restore";
    look.changes_live = false;
    count_event(state, look);
    const std::string text = prometheus_text(state, "rag");
    EXPECT_TRUE(holds(text, "rag_rollback_total{stack=\"rag\",reason=\"a\"} 2\n")) << text;
    EXPECT_TRUE(holds(text, "reason=\"none given\"} 1\n"));
    EXPECT_TRUE(holds(text, "ingot_restores_total{stack=\"rag\",outcome=\"restored\"} 3\n"));
    EXPECT_TRUE(holds(text, "ingot_restores_total{stack=\"rag\",outcome=\"rolled_back\"} 1\n"));
    EXPECT_TRUE(holds(text, "ingot_restores_total{stack=\"rag\",outcome=\"undone\"} 0\n"));
    EXPECT_TRUE(holds(text, "rag_rollback_duration_seconds{stack=\"rag\"} 2.500\n"));
    EXPECT_TRUE(holds(text, "ingot_last_exit_status{stack=\"rag\",command=\"rollback\"} 21\n"));
}

TEST(Metrics, ManyReasonsAreNotManySeries) {
    MetricsState state;
    for (int i = 0; i < 1000; ++i) count_event(state, rollback("reason " + std::to_string(i)));
    EXPECT_EQ(state.rollbacks.size(), MetricsState::kMostReasons + 1);
    EXPECT_EQ(state.rollbacks.at("other"), 1000 - MetricsState::kMostReasons);
    count_event(state, rollback(std::string(5000, 'x')));
    EXPECT_EQ(state.rollbacks.at("other"), 1001 - MetricsState::kMostReasons);
}

TEST(Metrics, SnapshotsSayWhatIsGoldenNow) {
    Snapshot golden, suspect, safety;
    for (Snapshot* each : {&golden, &suspect, &safety}) each->manifest.stack = "rag";
    golden.manifest.moment_ms = 1000;
    golden.attestations.push_back({AttestationKind::golden, {}, 1500, "h", {}, {}});
    suspect.manifest.moment_ms = 2000;
    suspect.attestations.push_back({AttestationKind::golden, {}, 2500, "h", {}, {}});
    suspect.attestations.push_back({AttestationKind::suspect, {}, 2600, "h", {}, {}});
    safety.manifest.moment_ms = 3000;
    safety.manifest.tags = {"safety"};
    MetricsState state;
    state.last_golden_ms = 2000;
    count_snapshots(state, {golden, suspect, safety}, "rag");
    EXPECT_EQ(state.last_golden_ms, 1000);
    EXPECT_EQ(state.last_snapshot_ms, 2000);
    EXPECT_EQ(state.last_verify_ms, 2500);
    EXPECT_EQ(state.last_drill_ms, 0);
    EXPECT_FALSE(holds(prometheus_text(state, "rag"), "last_drill"));
    EXPECT_TRUE(holds(prometheus_text(state, "rag"), "ingot_last_golden_timestamp_seconds{stack=\"rag\"} 1\n"));
}

TEST(Metrics, TheStateComesBackAndDamageIsAFreshStart) {
    MetricsState state;
    count_event(state, rollback("a"));
    state.last_verify_ms = 77;
    const MetricsState back = decode_metrics(encode_metrics(state));
    EXPECT_EQ(encode_metrics(back), encode_metrics(state));
    for (const char* bad : {"", "{", "[]", "{\"rollbacks\":7,\"last_verify_ms\":\"x\",\"gauges\":{\"a\":[]}}"}) {
        EXPECT_EQ(encode_metrics(decode_metrics(bad)), encode_metrics({})) << bad;
    }
}

TEST(Metrics, TheTextfileIsReadableByAllAndLeavesNoTemporary) {
    TempDir dir;
    const mode_t before = ::umask(077);
    for (int i = 0; i < 3; ++i) update_metrics(real_filesystem(), dir.path(), dir.at("ingot.prom"), rollback("a"), nullptr);
    ::umask(before);
    struct stat st {};
    ASSERT_EQ(::stat(dir.at("ingot.prom").c_str(), &st), 0);
    EXPECT_EQ(st.st_mode & 0777, 0644u);
    EXPECT_TRUE(holds(dir.read("ingot.prom"), "rag_rollback_total{stack=\"rag\",reason=\"a\"} 3\n"));
    std::vector<std::string> names;
    real_filesystem().list(dir.path(), [&](const std::string& name) { names.push_back(name); });
    std::sort(names.begin(), names.end());
    EXPECT_EQ(names, (std::vector<std::string>{"ingot.prom", "metrics-rag.json", "metrics-rag.lock"}));
}

TEST(Metrics, AFolderThatIsNotThereIsAnError) {
    TempDir dir;
    try {
        update_metrics(real_filesystem(), dir.path(), dir.at("none/ingot.prom"), rollback("a"), nullptr);
        FAIL();
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), Code::not_found) << error.what();
        EXPECT_TRUE(holds(error.what(), "writing the metrics")) << error.what();
    }
}

}  // namespace
}  // namespace ingot
