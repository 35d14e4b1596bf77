#include "restore/report.h"

#include <gtest/gtest.h>

#include <sstream>
#include <vector>

namespace ingot {
namespace {

bool holds(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

std::vector<std::string> lines_with(const std::string& text, const std::string& part) {
    std::vector<std::string> out;
    std::istringstream in(text);
    for (std::string line; std::getline(in, line);) {
        if (holds(line, part)) out.push_back(line);
    }
    return out;
}

AuditRecord sample() {
    AuditRecord record;
    record.action = "rollback";
    record.stack = "rag";
    record.user = "root";
    record.host = "box";
    record.started_ms = 1'700'000'100'000;
    record.finished_ms = 1'700'000'103'500;
    record.outcome = "restored";
    record.reason = "errors | above 5 %";
    record.snapshot = RecordId{};
    record.snapshot_moment_ms = 1'700'000'000'000;
    record.version_before = "v2";
    record.version_snapshot = "v1";
    record.restore_id = "0123456789abcdef";
    record.outage_ms = 1200;
    record.replaced = 4;
    record.safety = "feedc0de00112233";
    record.steps = {{"stage", 1'700'000'100'200, 700, false, ""},
                    {"stop", 1'700'000'101'000, 30, false, "stopped ``` web\n# not a heading"},
                    {"probe health", 1'700'000'103'000, 400, false, ""}};
    record.sources = {{"db",
                       "sqlite",
                       "live",
                       1'700'000'100'000,
                       {{"chunks", int64_t{90}}, {"mode", std::string("wal")}},
                       {{"chunks", int64_t{70}}, {"mode", std::string("wal")}, {"pages", int64_t{3}}}}};
    return record;
}

TEST(Report, HasEverySectionInItsOrder) {
    const std::string text = incident_report(sample(), nullptr);
    size_t at = 0;
    for (const char* heading : {"# Incident report: rollback of rag\n", "\n## Timeline\n", "\n## Versions\n",
                                "\n## What was restored\n", "\n## What was lost\n", "\n## Probes\n", "\n## Next actions\n"}) {
        const size_t found = text.find(heading, at);
        ASSERT_NE(found, std::string::npos) << heading << "\n" << text;
        at = found;
    }
    EXPECT_TRUE(holds(text, "| reason | errors \\| above 5 % |"));
    EXPECT_TRUE(holds(text, "| db | chunks | 90 | live, 2023-11-14T22:15:00.000Z | 70 | -20 |")) << text;
    EXPECT_TRUE(holds(text, "| 70 | -20 |") && holds(text, "| wal | the same |"));
    EXPECT_TRUE(holds(text, "(1 min 40 s before the restore began) is not in the restored state.")) << text;
    EXPECT_TRUE(holds(text, "- health: passed after 400 ms"));
    EXPECT_TRUE(holds(text, "What was replaced is stored as snapshot feedc0de.") && holds(text, "`ingot undo 0123456789abcdef`"));
    EXPECT_TRUE(holds(text, "Its version may not be that of the restored data."));
    EXPECT_TRUE(holds(text, "| 2023-11-14T22:15:01.000Z | 1.0 s | stop | 30 ms | done |")) << text;
}

TEST(Report, TextOfOthersDoesNotChangeItsForm) {
    const std::string text = incident_report(sample(), nullptr);
    EXPECT_TRUE(holds(text, "````text\nstopped ``` web\n# not a heading\n````\n")) << text;
    EXPECT_EQ(markdown_text("a|b`c*d_e<f>\nx"), "a\\|b\\`c\\*d\\_e\\<f\\> x");
    EXPECT_EQ(markdown_block("x"), "```text\nx\n```\n");
    // Every row of the timeline has its five cells, whatever a step is called.
    AuditRecord record = sample();
    record.steps[0].name = "before_swap |x|\n|y";
    for (const std::string& line : lines_with(incident_report(record, nullptr), "2023-11-14T22:15:00.200Z |")) {
        size_t cells = 0;
        for (size_t i = 0; i < line.size(); ++i) cells += line[i] == '|' && (i == 0 || line[i - 1] != '\\');
        EXPECT_EQ(cells, 6u) << line;
    }
}

TEST(Report, OfARestoreThatWasTakenBackSaysWhatIsLiveAndWhy) {
    AuditRecord record = sample();
    record.outcome = "rolled_back";
    record.exit = 21;
    record.error = "the probe health failed";
    record.hint = "look at its log";
    record.steps.back().failed = true;
    const std::string text = incident_report(record, nullptr);
    EXPECT_TRUE(holds(text, "the state of before is live again"));
    EXPECT_TRUE(holds(text, "| what went wrong | the probe health failed |"));
    EXPECT_TRUE(holds(text, "Nothing: the state of before was kept."));
    EXPECT_TRUE(holds(text, "- health: **failed** after 400 ms"));
    EXPECT_TRUE(holds(text, "- [ ] look at its log\n"));
    EXPECT_FALSE(holds(text, "## What was lost"));
}

TEST(Report, OfOneThatNeedsAPersonDoesNotSayTheOppositeOfTheHint) {
    AuditRecord record = sample();
    record.outcome = "rollback_incomplete";
    record.exit = 22;
    record.hint = "run it by hand: make traffic.100; then `ingot restore --resume`, which runs it again";
    const std::string text = incident_report(record, nullptr);
    EXPECT_TRUE(holds(text, "ingot restore --resume") && !holds(text, "--undo")) << text;
    EXPECT_TRUE(holds(text, "- [ ] Do what is named above before anything writes to the stack.\n")) << text;
    record.hint.clear();
    EXPECT_TRUE(holds(incident_report(record, nullptr), "then `ingot restore --undo`.\n"));
}

TEST(Report, TheManifestFillsInWhatARecoveryDidNotKnow) {
    AuditRecord record = sample();
    record.snapshot_moment_ms = 0;
    record.version_snapshot.clear();
    record.sources[0].after.clear();
    Manifest manifest;
    manifest.moment_ms = 1'700'000'000'000;
    manifest.application_version = "v0";
    ManifestSource source;
    source.name = "db";
    source.facts = {{"chunks", int64_t{100}}};
    manifest.sources = {source};
    const std::string text = incident_report(record, &manifest);
    EXPECT_TRUE(holds(text, "| 100 | +10 |")) << text;
    EXPECT_TRUE(holds(text, "| of the snapshot | v0 |"));
    EXPECT_TRUE(holds(text, "1 min 40 s before the restore began"));
}

}  // namespace
}  // namespace ingot
