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

// A fake engine of which a copy can be made beside the live one.
class ScratchDriver : public FakeEngineDriver {
public:
    using FakeEngineDriver::FakeEngineDriver;

    class Scratch : public ScratchTarget {
    public:
        Scratch(ScratchSpec scratch, SourceSpec spec) : scratch_(std::move(scratch)), spec_(std::move(spec)) {}
        std::string shown() const override { return "the fake scratch"; }
        Facts load() override {
            ++engines;
            if (same) throw Error(Code::usage, "scratch and live are the same", "name another");
            if (full) throw Error(Code::failed, "no room", "make some");
            content_ = read_whole(join(scratch_.artifact_dir, "fake.db"));
            return {{"scratch", shown()}, {"rows", rows}};
        }
        SourceSpec source() const override {
            SourceSpec out = spec_;
            out.options["answers"] = content_;
            return out;
        }
        void remove() override {
            if (stuck) throw Error(Code::failed, "it stays", "DROP it");
            engines = 0;
        }

    private:
        ScratchSpec scratch_;
        SourceSpec spec_;
        std::string content_;
    };

    std::unique_ptr<ScratchTarget> scratch_target(const ScratchSpec& scratch) override {
        return std::make_unique<Scratch>(scratch, spec());
    }
    Fact ask_live(const std::string& question) override {
        if (question == "signal") set_interrupted(true);
        if (question == "signal") check_interrupted();
        return question + ": " + spec().options.at("answers");
    }

    static inline int engines = 0;
    static inline bool full = false, stuck = false, same = false;
    static inline int64_t rows = 7;
};

class EngineDrills : public Drills {
protected:
    EngineDrills() {
        ScratchDriver::engines = 0;
        ScratchDriver::full = ScratchDriver::stuck = ScratchDriver::same = false;
        ScratchDriver::rows = 7;
        stack_.sources.pop_back();
        add<ScratchDriver>("db", "fake", {"fake.db"});
        stack_.make_driver = [](SourceSpec spec) { return std::make_unique<ScratchDriver>(std::move(spec)); };
        snapshot_ = take();
        snapshot_.manifest.sources.back().facts["rows"] = int64_t{7};
        write_file(at("fake.db"), "rows of now");
    }
    size_t notes() {
        size_t out = 0;
        for (const auto& entry : std::filesystem::directory_iterator(dir_.at("state")))
            out += entry.path().filename().string().starts_with("drill-") ? 1u : 0u;
        return out;
    }
    Snapshot snapshot_;
};

TEST_F(EngineDrills, LoadIntoTheEngineAskItAndRemoveIt) {
    probe("content: rows of then");
    const DrillResult result = run_drill(snapshot_);
    EXPECT_TRUE(result.passed()) << (result.problems.empty() ? "" : result.problems[0]);
    EXPECT_EQ(result.scratch_engines, 1u);
    EXPECT_EQ(result.probes_passed, 1u);
    EXPECT_EQ(std::get<std::string>(result.attestation.evidence.at("db").at("scratch")), "the fake scratch");
    EXPECT_EQ(ScratchDriver::engines, 0);
    EXPECT_EQ(notes(), 0u);
    EXPECT_EQ(read_whole(at("fake.db")), "rows of now");
    require_no_scratch();
}

TEST_F(EngineDrills, AFactThatIsAnotherInTheEngineIsAProblem) {
    ScratchDriver::rows = 6;
    const DrillResult result = run_drill(snapshot_);
    ASSERT_EQ(result.problems.size(), 1u);
    EXPECT_EQ(result.problems[0], "db.rows is 6 in the fake scratch, and was 7 in the snapshot");
}

TEST_F(EngineDrills, WithoutRoomTheRestIsDrilledAndNothingIsLeft) {
    ScratchDriver::full = true;
    const DrillResult result = run_drill(snapshot_);
    ASSERT_EQ(result.problems.size(), 1u);
    EXPECT_EQ(result.problems[0], "db cannot be loaded into a scratch engine: no room; make some");
    EXPECT_EQ(ScratchDriver::engines, 0);
    EXPECT_EQ(notes(), 0u);
    require_no_scratch();
}

TEST_F(EngineDrills, WhatStaysIsNamedAndTheNextDrillRemovesIt) {
    ScratchDriver::stuck = true;
    DrillResult result = run_drill(snapshot_);
    EXPECT_TRUE(result.passed()) << "the snapshot itself is good";
    ASSERT_EQ(result.left.size(), 1u);
    EXPECT_NE(result.left[0].find("it stays"), std::string::npos);
    EXPECT_NE(result.left[0].find("DROP it"), std::string::npos);
    EXPECT_EQ(notes(), 1u);
    ScratchDriver::stuck = false;
    result = run_drill(snapshot_);
    EXPECT_TRUE(result.left.empty());
    EXPECT_EQ(notes(), 0u);
}

TEST_F(EngineDrills, AreRefusedWhereScratchAndLiveAreTheSameAndEndedBySignals) {
    ScratchDriver::same = true;
    EXPECT_EQ(error_of([&] { run_drill(snapshot_); }).code(), Code::usage);
    EXPECT_EQ(notes(), 0u);
    ScratchDriver::same = false;
    probe("content: rows of then");
    stack_.probes.back().target = "signal";
    EXPECT_EQ(error_of([&] { run_drill(snapshot_); }).code(), Code::interrupted);
    set_interrupted(false);
    EXPECT_EQ(ScratchDriver::engines, 0);
    EXPECT_EQ(notes(), 0u);
    require_no_scratch();
}

}  // namespace
}  // namespace ingot::test
