#include "snapshot/take.h"

#include "base/interrupt.h"
#include "base/step.h"
#include "tests/snapshot/snapshot_test_base.h"

namespace ingot {
namespace {

class Take : public SnapshotTest {
protected:
    Take() {
        db_.add("dev.db", std::string(300'000, 'd'), "f1");
        db_.roots = {{"dev.db", ""}};
        db_.facts = {{"chunks", int64_t{12}}};
        tree_.add_folder("models");
        tree_.add("models/a.bin", std::string(100'000, 'a'), "f2");
        tree_.add("models/empty", "");
        tree_.roots = {{"models", ""}};
    }
    static std::vector<std::string>& steps() {
        static std::vector<std::string> all;
        return all;
    }

    FakeSource db_, tree_;
};

TEST_F(Take, ReadsFirstWhatHoldsOthersBackAndKeepsTheOrderOfTheConfig) {
    add("models", tree_);
    add("db", db_);
    std::vector<std::string> order;
    tree_.blocked_ms = [&] { return order.push_back("models"), 0; };
    db_.blocked_ms = [&] { return order.push_back("db"), 0; };
    db_.read_first = true;
    const Manifest m = take().manifest;
    EXPECT_EQ(order, (std::vector<std::string>{"db", "models"}));
    EXPECT_EQ(m.sources.at(0).name, "models");
    EXPECT_EQ(m.sources.at(1).name, "db");
}

TEST_F(Take, StoresEverySourceAndSaysWhatItProved) {
    add("db", db_);
    add("models", tree_);
    stack_.version_command = "echo '  v1.2.3 '; echo more";
    const TakeResult result = take();
    const std::vector<Snapshot> all = snapshots();
    ASSERT_EQ(all.size(), 1u);
    EXPECT_EQ(all[0].id, result.id);
    const Manifest& m = all[0].manifest;
    EXPECT_TRUE(m.complete());
    EXPECT_EQ(m.stack, "test");
    EXPECT_EQ(m.application_version, "v1.2.3");
    EXPECT_EQ(m.tags, std::vector<std::string>{"tag"});
    EXPECT_EQ(m.consistency, Consistency::pinned);
    EXPECT_EQ(m.pause_ms, std::nullopt);
    EXPECT_GE(m.moment_ms, m.started_ms);
    EXPECT_GE(m.finished_ms, m.moment_ms);
    EXPECT_EQ(m.bytes_read, 400'000u);
    EXPECT_EQ(m.find("db")->facts, db_.facts);
    EXPECT_EQ(m.find("db")->pause_ms, 7);
    EXPECT_EQ(m.find("db")->roots, std::vector<std::string>{"dev.db"});
    EXPECT_EQ(m.find("models")->entries, 3u);
    EXPECT_EQ(m.find("models")->streams, 2u);
    EXPECT_EQ(m.find("models")->bytes, 100'000u);
    EXPECT_GT(result.bytes_new.at("db"), 0u);
    EXPECT_GT(result.bytes_new.at("models"), 0u);
    EXPECT_EQ(result.bytes_new.at("db") + result.bytes_new.at("models"), m.bytes_new);
    EXPECT_EQ(files_of(m, "db"), (std::map<std::string, std::string>{{"dev.db", std::string(300'000, 'd')}}));
    EXPECT_EQ(files_of(m, "models").at("models/empty"), "");
    EXPECT_EQ(db_.live_pins, 0);
}

TEST_F(Take, ASecondOneReadsOnlyWhatChanged) {
    add("db", db_);
    add("models", tree_);
    const TakeResult first = take();
    tree_.read.clear();
    db_.read.clear();
    tree_.add("models/new.bin", "new", "f3");
    const TakeResult second = take();
    EXPECT_TRUE(db_.read.empty());
    EXPECT_EQ(tree_.read, (std::vector<std::string>{"models/empty", "models/new.bin"}));
    EXPECT_EQ(second.manifest.bytes_read, 3u);
    EXPECT_EQ(second.manifest.find("db")->listing, first.manifest.find("db")->listing);
    EXPECT_EQ(second.manifest.find("db")->bytes, 300'000u);
    EXPECT_EQ(second.manifest.chunks, first.manifest.chunks + 1);
    EXPECT_EQ(files_of(second.manifest, "models").at("models/a.bin"), std::string(100'000, 'a'));
}

TEST_F(Take, WithAPauseIsABarrier) {
    add("db", db_);
    stack_.barrier = {"echo pause >> log", "echo resume >> log", 10'000};
    const TakeResult result = take();
    EXPECT_EQ(dir_.read("root/log"), "pause\nresume\n");
    EXPECT_EQ(result.manifest.consistency, Consistency::barrier);
    EXPECT_TRUE(result.manifest.pause_ms.has_value());
    EXPECT_TRUE(result.writers_resumed);
}

TEST_F(Take, AFailingPauseStoresNothing) {
    add("db", db_);
    stack_.barrier = {"exit 1", "true", 10'000};
    EXPECT_THROW(take(), Error);
    EXPECT_TRUE(snapshots().empty());
    EXPECT_EQ(db_.pins, 0);
}

TEST_F(Take, AFailingResumeIsShoutedAndTheSnapshotIsKept) {
    add("db", db_);
    stack_.barrier = {"true", "exit 3", 10'000};
    const TakeResult result = take();
    EXPECT_FALSE(result.writers_resumed);
    ASSERT_EQ(result.warnings.size(), 1u);
    EXPECT_NE(result.warnings[0].find("THE WRITERS MAY STILL BE PAUSED"), std::string::npos);
    EXPECT_EQ(snapshots().size(), 1u);
}

TEST_F(Take, AFailingSourceMakesItPartialAndTheOthersAreStored) {
    FakeSource gone, torn, changing, busy;
    gone.roots = {{"gone", dir_.at("gone")}};
    gone.on_prepare = [] { fail_source("gone: No such file or directory"); };
    torn.add("a", "a").unreadable = true;
    changing.add("log", "l").unsettled = 100;
    busy.on_facts = [] { fail_source("no such table: chunks"); };
    busy.add("b", "b");
    add("gone", gone);
    add("torn", torn);
    add("changing", changing);
    add("busy", busy);
    add("db", db_);
    const TakeResult result = take(true);
    const Manifest& m = result.manifest;
    EXPECT_FALSE(m.complete());
    EXPECT_EQ(m.find("gone")->status, SourceStatus::missing);
    EXPECT_EQ(m.find("torn")->status, SourceStatus::unreadable);
    EXPECT_EQ(m.find("torn")->problem, "reading a: Input/output error");
    EXPECT_EQ(m.find("torn")->listing, std::nullopt);
    EXPECT_EQ(m.find("changing")->problem, "log keeps changing while it is read (3 tries)");
    EXPECT_EQ(m.find("busy")->problem, "no such table: chunks");
    EXPECT_EQ(m.find("db")->status, SourceStatus::stored);
    EXPECT_EQ(files_of(m, "db").size(), 1u);
    EXPECT_FALSE(result.golden);
    EXPECT_NE(result.why_not_golden.find("gone is missing"), std::string::npos);
    EXPECT_EQ(snapshots().size(), 1u);
}

TEST_F(Take, WhatToDoAboutAFailingSourceIsKept) {
    FakeSource locked, torn;
    locked.on_prepare = [] { throw Error(Code::source, "x.db is locked", "stop that program"); };
    torn.add("a", "a").unreadable = true;
    torn.add("b", "b");
    torn.add("c", "c").unsettled = 100;
    add("locked", locked);
    add("torn", torn);
    take();
    const Manifest m = snapshots().at(0).manifest;  // through the record
    EXPECT_EQ(m.find("locked")->problem, "x.db is locked");
    EXPECT_EQ(m.find("locked")->hint, "stop that program");
    EXPECT_EQ(m.find("torn")->problem, "reading a: Input/output error and 1 more could not be stored");
    EXPECT_EQ(files_of(m, "torn").size(), 1u);
    torn.files.erase("a");
    take();
    EXPECT_EQ(snapshots().at(1).manifest.find("torn")->hint,
              "pause what writes to it ([barrier] in the config), or list it under growing or exclude");
}

TEST_F(Take, HowLongWritersWereBlockedIsAskedAfterTheLastStream) {
    add("models", tree_);
    tree_.blocked_ms = [this] { return static_cast<int64_t>(100 * tree_.read.size()); };
    EXPECT_EQ(take().manifest.find("models")->pause_ms, 200);
}

TEST_F(Take, InvariantsAreCheckedAtThePinAndAgainOnTheArtifacts) {
    add("db", db_);
    add("models", tree_);
    tree_.facts = {{"files", int64_t{12}}};
    stack_.invariants = {{"one for one", "models.files", "db.chunks"}};
    tree_.needs_files = false;
    const TakeResult good = take(true);
    EXPECT_TRUE(good.golden) << good.why_not_golden;
    EXPECT_TRUE(good.broken_invariants.empty());
    EXPECT_EQ(snapshots().at(0).attestations.at(0).evidence.at("invariants that hold").at("one for one"),
              Fact("models.files = db.chunks = 12"));

    tree_.needs_files = true;
    tree_.opened = [](const std::string&) { return Facts{{"files", int64_t{11}}}; };
    db_.opened = [](const std::string&) { return Facts{{"chunks", int64_t{12}}}; };
    const TakeResult lost = take(true);
    EXPECT_FALSE(lost.golden);
    EXPECT_EQ(lost.why_not_golden,
              "the invariant \"one for one\" does not hold in what was read back: models.files is 11 and db.chunks is 12");

    tree_.facts = {{"files", int64_t{13}}};
    const TakeResult broken = take();
    EXPECT_EQ(broken.broken_invariants.size(), 1u);
    EXPECT_EQ(take(true).why_not_golden, "the invariant \"one for one\" does not hold: models.files is 13 and db.chunks is 12");
    stack_.invariants = {{"typo", "models.file", "db.chunks"}};
    EXPECT_EQ(take(true).why_not_golden, "the invariant \"typo\" cannot be checked: models has no fact file (it has: files)");
    EXPECT_EQ(snapshots().size(), 5u);
}

TEST_F(Take, WithAPauseGoldenRequiresABarrierUnlessTheConfigSaysLess) {
    add("db", db_);
    stack_.barrier = {"true", "true", 10'000};
    EXPECT_EQ(stack_.needed_for_golden(), Consistency::barrier);
    EXPECT_TRUE(take(true).golden);
    // A source that is pinned with a moment from before the pause.
    db_.moment_shift_ns = -60'000'000'000;
    EXPECT_EQ(take(true).why_not_golden, "its consistency is pinned, and golden requires barrier");
    stack_.golden_requires = Consistency::pinned;
    EXPECT_TRUE(take(true).golden);
}

TEST_F(Take, AnErrorThatIsNotTheSourcesAborts) {
    add("db", db_);
    db_.on_prepare = [] { throw Error(Code::failed, "writing pack: No space left on device"); };
    EXPECT_THROW(take(), Error);
    EXPECT_TRUE(snapshots().empty());
}

TEST_F(Take, AFullRepositoryIsNeverCountedAsASourceError) {
    add("db", db_);
    add("models", tree_);
    take();
    db_.add("dev.db", std::string(200'000, 'e'), "f7");
    size_t failed = 0;
    for (uint64_t nth = 1; nth < 1000; ++nth) {
        open();
        disk_.fail(test::Call::write, nth, true, ENOSPC);
        bool done = false;
        std::string said;
        try {
            take();
            done = true;
        } catch (const Error& error) {
            said = error.what();
            EXPECT_EQ(error.code(), Code::failed) << error.what();
            EXPECT_NE(std::string(error.what()).find("No space left on device"), std::string::npos) << error.what();
            ++failed;
        }
        disk_.mend();
        if (done) break;
        open();
        EXPECT_EQ(snapshots().size(), 1u) << nth << ": " << said;
        if (HasFailure()) break;
    }
    EXPECT_GT(failed, 3u);
    const Snapshot after = snapshots().back();
    EXPECT_TRUE(after.complete());
    EXPECT_EQ(files_of(after.manifest, "db").at("dev.db"), std::string(200'000, 'e'));
}

TEST_F(Take, WhatAnAbortedRunReadIsNotRemembered) {
    add("db", db_);
    add("models", tree_);
    tree_.on_facts = [] { throw Error(Code::failed, "lost"); };
    EXPECT_THROW(take(), Error);
    tree_.on_facts = [] {};
    db_.read.clear();
    EXPECT_TRUE(take().manifest.complete());
    EXPECT_EQ(db_.read, std::vector<std::string>{"dev.db"});
}

TEST_F(Take, AnEmptySourceIsNamed) {
    FakeSource empty, folder;
    empty.add("x.db", "");
    empty.roots = {{"x.db", ""}};
    folder.add_folder("dir");
    folder.add_folder("dir/sub");
    folder.roots = {{"dir", ""}};
    FakeSource nothing;
    add("empty", empty);
    add("folder", folder);
    add("nothing", nothing);
    const Manifest m = take().manifest;
    for (const ManifestSource& each : m.sources) EXPECT_EQ(each.status, SourceStatus::empty) << each.name;
    EXPECT_TRUE(m.find("nothing")->listing.has_value());
}

TEST_F(Take, GoldenIsReadBackOpenedAndAttested) {
    add("db", db_);
    add("models", tree_);
    tree_.needs_files = false;
    std::string opened;
    db_.opened = [&](const std::string& dir) {
        const Bytes bytes = read_file(real_filesystem(), join(dir, "dev.db"), 1 << 20);
        opened = text_of(bytes);
        return Facts{{"integrity_check", std::string("ok")}};
    };
    tree_.opened = [](const std::string&) -> Facts { throw Error(Code::failed, "not to be called"); };
    const TakeResult result = take(true);
    EXPECT_TRUE(result.golden) << result.why_not_golden;
    EXPECT_EQ(opened, std::string(300'000, 'd'));
    const Snapshot snapshot = snapshots().at(0);
    EXPECT_TRUE(snapshot.golden());
    ASSERT_EQ(snapshot.attestations.size(), 1u);
    EXPECT_EQ(snapshot.attestations[0].evidence.at("db").at("integrity_check"), Fact("ok"));
    EXPECT_GT(std::get<int64_t>(snapshot.attestations[0].evidence.at("read back").at("chunks")), 0);
    int left = 0;
    real_filesystem().list(repository_->spool_dir(), [&](const std::string&) { ++left; });
    EXPECT_EQ(left, 0);
}

TEST_F(Take, AnArtifactThatItsEngineRejectsIsNotGoldenButStored) {
    add("db", db_);
    db_.opened = [](const std::string&) -> Facts { throw Error(Code::damaged, "file is not a database"); };
    const TakeResult result = take(true);
    EXPECT_FALSE(result.golden);
    EXPECT_EQ(result.why_not_golden, "db cannot be opened: file is not a database");
    EXPECT_FALSE(snapshots().at(0).golden());
}

TEST_F(Take, TooWeakAClassIsNotGolden) {
    add("db", db_);
    db_.consistency = PinConsistency::fuzzy;
    EXPECT_EQ(take(true).why_not_golden, "its consistency is fuzzy, and golden requires pinned");
    stack_.golden_requires = Consistency::fuzzy;
    EXPECT_TRUE(take(true).golden);
}

TEST_F(Take, AShrunkSourceIsNotGoldenUntilItIsAccepted) {
    add("db", db_);
    EXPECT_TRUE(take(true).golden);
    db_.add("dev.db", std::string(1000, 'x'), "f9");
    const TakeResult shrunk = take(true);
    EXPECT_EQ(shrunk.manifest.find("db")->status, SourceStatus::shrunk);
    EXPECT_FALSE(shrunk.golden);
    EXPECT_EQ(take().manifest.find("db")->status, SourceStatus::shrunk);
    const Snapshot before{shrunk.id, shrunk.manifest, {}};
    const GoldenVerdict verdict = prove_golden(*repository_, before, stack_, {"db"}, progress_);
    ASSERT_TRUE(verdict.golden) << verdict.reasons.at(0);
    file_attestation(*repository_, verdict.attestation);
    EXPECT_EQ(take(true).manifest.find("db")->status, SourceStatus::stored);
    EXPECT_TRUE(snapshots().back().golden());
}

TEST_F(Take, StepsComeInOrder) {
    add("db", db_);
    stack_.barrier = {"true", "true", 10'000};
    steps().clear();
    set_step_listener([](const char* name) {
        if (std::string_view(name).starts_with("snapshot.")) steps().emplace_back(name);
    });
    take(true);
    set_step_listener(nullptr);
    EXPECT_EQ(steps(), (std::vector<std::string>{"snapshot.paused", "snapshot.pinned", "snapshot.resumed", "snapshot.streamed",
                                                 "snapshot.committed", "snapshot.attested"}));
}

TEST_F(Take, AnInterruptLeavesNothingBehind) {
    add("db", db_);
    db_.on_facts = [] { set_interrupted(true); };
    try {
        take();
        FAIL();
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), Code::interrupted);
    }
    set_interrupted(false);
    EXPECT_TRUE(snapshots().empty());
    EXPECT_EQ(db_.live_pins, 0);
    db_.on_facts = [] {};
    take();
    EXPECT_EQ(snapshots().size(), 1u);
}

TEST_F(Take, AVersionCommandThatFailsIsAWarning) {
    add("db", db_);
    stack_.version_command = "echo 'not a git repository' >&2; exit 128";
    const TakeResult result = take();
    EXPECT_EQ(result.manifest.application_version, "");
    ASSERT_EQ(result.warnings.size(), 1u);
    EXPECT_NE(result.warnings[0].find("not a git repository"), std::string::npos);
}

}  // namespace
}  // namespace ingot
