#include "restore/drill.h"

#include "tests/restore/restore_test_base.h"

namespace ingot::test {
namespace {

class Drills : public RestoreTest {
protected:
    Drills() {
        stack_.make_driver = [](SourceSpec spec) { return std::make_unique<AskedDriver>(std::move(spec)); };
    }

    // Answers a question with what its file holds.
    class AskedDriver : public FakeEngineDriver {
    public:
        using FakeEngineDriver::FakeEngineDriver;
        Fact ask_live(const std::string& question) override { return question + ": " + read_whole(roots().front().live_path); }
    };

    DrillResult run_drill(const Snapshot& snapshot, const std::string& parent = "") {
        return drill(*repository_, snapshot, stack_, fs_, parent.empty() ? dir_.at("state") : parent, progress_);
    }
    void probe(const std::string& value) {
        ProbeSpec spec;
        spec.name = "rows";
        spec.kind = ProbeSpec::Kind::sql;
        spec.source = "db";
        spec.target = "content";
        spec.value = value;
        stack_.probes.push_back(spec);
    }
    void require_no_scratch() {
        for (const auto& entry : std::filesystem::directory_iterator(dir_.at("state")))
            EXPECT_FALSE(entry.path().filename().string().starts_with("scratch-")) << entry.path();
    }
};

TEST_F(Drills, OpenEverySourceAndTouchNothingLive) {
    const Snapshot snapshot = take();
    change();
    probe("content: rows of then");
    ProbeSpec http;
    http.kind = ProbeSpec::Kind::http;
    stack_.probes.push_back(http);
    const TreeState before = live();
    const DrillResult result = run_drill(snapshot);
    EXPECT_TRUE(result.passed());
    EXPECT_EQ(difference(before, live()), "");
    EXPECT_EQ(result.attestation.kind, AttestationKind::drilled);
    EXPECT_EQ(result.attestation.manifest, snapshot.id);
    for (const char* about : {"docs", "env", "db", "restored", "probes"}) EXPECT_EQ(result.attestation.evidence.count(about), 1u);
    EXPECT_EQ(result.probes_passed, 1u);
    EXPECT_EQ(result.probes_not_asked, 1u);
    EXPECT_GT(result.bytes, 50'000u);
    require_no_scratch();
}

TEST_F(Drills, NameWhatDoesNotOpenOrAnswer) {
    write_file(at("fake.db"), "corrupt");
    const Snapshot snapshot = take();
    probe("content: rows of then");
    const DrillResult result = run_drill(snapshot);
    ASSERT_EQ(result.damaged.size(), 1u);
    EXPECT_EQ(result.damaged[0], "db cannot be opened: the fake engine rejects it");
    ASSERT_EQ(result.problems.size(), 1u);
    EXPECT_NE(result.problems[0].find("found content: corrupt and not content: rows of then"), std::string::npos)
        << result.problems[0];
    require_no_scratch();
}

TEST_F(Drills, RefuseAScratchFolderInWhatIsLive) {
    const Snapshot snapshot = take();
    const TreeState before = live();
    EXPECT_EQ(error_of([&] { run_drill(snapshot, at("docs/deep")); }).code(), Code::usage);
    EXPECT_EQ(difference(before, live()), "");
}

TEST_F(Drills, NameASourceThatTheConfigHasNoMore) {
    const Snapshot snapshot = take();
    stack_.sources.pop_back();
    const DrillResult result = run_drill(snapshot);
    ASSERT_EQ(result.problems.size(), 1u);
    EXPECT_EQ(result.problems[0], "db is no longer in the config, so nothing can open it");
}

TEST_F(Drills, LeaveNoScratchWhenADiskFails) {
    const Snapshot snapshot = take();
    const TreeState before = live();
    int failed = 0;
    for (uint64_t nth = 1;; ++nth) {
        fs_.fail(Call::change, nth, false);
        try {
            EXPECT_TRUE(run_drill(snapshot).passed());
            if (fs_.failures() == 0) break;
        } catch (const Error& error) {
            EXPECT_EQ(error.code(), Code::failed) << error.what();
            ++failed;
        }
        fs_.mend();
        ASSERT_EQ(difference(before, live()), "") << nth;
    }
    EXPECT_GT(failed, 20);
    std::printf("%d faults of a drill's disk, nothing live touched\n", failed);
}

}  // namespace
}  // namespace ingot::test
