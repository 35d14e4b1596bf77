#include "restore/recover.h"

#include "tests/restore/restore_test_base.h"

namespace ingot::test {
namespace {

using Recover = RestoreTest;

TEST_F(Recover, HasNothingToDoWithoutAJournal) { EXPECT_EQ(recover(stack_, fs_, progress_).outcome, "nothing"); }

TEST_F(Recover, NamesADamagedJournalAndTouchesNothing) {
    JournalFile(fs_, dir_.at("state"), "test").save({});
    std::string bytes = read_whole(dir_.at("state/test.journal"));
    bytes[20] ^= 1;
    write_file(dir_.at("state/test.journal"), bytes);
    const Error error = error_of([&] { recover(stack_, fs_, progress_); });
    EXPECT_EQ(error.code(), Code::rollback_incomplete);
    EXPECT_NE(std::string(error.what()).find(dir_.at("state/test.journal")), std::string::npos);
    EXPECT_NE(error.hint(), "");
    EXPECT_EQ(read_whole(dir_.at("state/test.journal")), bytes);
}

TEST_F(Recover, OfAJournalThatMayNotBeReadSaysThatAndNothingElse) {
    if (::geteuid() != 0) GTEST_SKIP() << "only root can become a user who may not read it";
    JournalFile(fs_, dir_.at("state"), "test").save({});
    const int status = in_child([&] {
        if (::setresuid(65534, 65534, 65534) != 0) return 77;
        const Error error = error_of([&] { (void)unfinished_restore(fs_, dir_.at("state"), "test"); });
        EXPECT_EQ(error.code(), Code::failed);
        EXPECT_NE(std::string(error.what()).find("Permission denied"), std::string::npos) << error.what();
        EXPECT_NE(error.hint().find("run as a user"), std::string::npos) << error.hint();
        const Error finishing = error_of([&] { recover(stack_, fs_, progress_); });
        EXPECT_EQ(finishing.code(), Code::failed);
        EXPECT_EQ(finishing.hint().find(".ingot-"), std::string::npos) << finishing.hint();
        return HasFailure() ? 1 : 0;
    });
    EXPECT_EQ(status, 0);
}

TEST_F(Recover, OfAProvenRestoreOnlyCleansUp) {
    Journal journal;
    journal.stack = "test";
    journal.state = RestoreState::proven;
    JournalTarget target;
    target.source = "docs";
    target.stage_dirs = {at("docs/.ingot-1")};
    target.work_dir = dir_.at("state/restore-1");
    target.swap_begun = target.swapped = true;
    journal.targets = {target};
    std::filesystem::create_directories(at("docs/.ingot-1/0/deep"));
    std::filesystem::create_directories(target.work_dir);
    write_file(at("docs/.ingot-1/0/deep/old"), "old");
    const TreeState before = live();
    JournalFile(fs_, dir_.at("state"), "test").save(journal);
    EXPECT_EQ(recover(stack_, fs_, progress_).outcome, "restored");
    EXPECT_EQ(leftovers(), std::vector<std::string>{});
    EXPECT_EQ(read_whole(at("docs/same")), "the same in both");
    EXPECT_EQ(progress_.notes.size(), 1u);
}

TEST_F(Recover, NeverFollowsALinkOutOfAStageThatItRemoves) {
    Journal journal;
    journal.stack = "test";
    JournalTarget target;
    target.stage_dirs = {at("docs/.ingot-1")};
    target.work_dir = dir_.at("state/restore-1");
    journal.targets = {target};
    std::filesystem::create_directories(at("docs/.ingot-1"));
    std::filesystem::create_directories(dir_.at("outside"));
    write_file(dir_.at("outside/file"), "stays");
    std::filesystem::create_symlink(dir_.at("outside"), at("docs/.ingot-1/0"));
    JournalFile(fs_, dir_.at("state"), "test").save(journal);
    EXPECT_EQ(recover(stack_, fs_, progress_).outcome, "undone");
    EXPECT_EQ(read_whole(dir_.at("outside/file")), "stays");
    EXPECT_EQ(leftovers(), std::vector<std::string>{});
}

// The process that the next test kills.
TEST_F(Recover, DISABLED_Victim) {
    add<FakeServerDriver>("web", "fakeserver", {"web.conf"});
    open(LockMode::shared);
    const Snapshot snapshot = listed(RecordId::from_hex(std::getenv("INGOT_TEST_SNAPSHOT")));
    die_at_name(std::getenv("INGOT_TEST_STEP"));
    run(snapshot);
}

TEST_F(Recover, TellsTheEnginesAgainOnceTheirOldFilesAreBack) {
    add<FakeServerDriver>("web", "fakeserver", {"web.conf"});
    write_file(at("web.conf"), "then");
    const Snapshot snapshot = take();
    change();
    write_file(at("web.conf"), "now");
    repository_.reset();
    const std::vector<std::pair<std::string, std::vector<std::string>>> expected = {{"restore.stopped", {}},
                                                                                    {"restore.swap-begun", {}},
                                                                                    {"restore.swapped", {"now"}},
                                                                                    {"restore.activated", {"now"}},
                                                                                    {"restore.proven", {}}};
    for (const auto& [name, told] : expected) {
        ASSERT_EQ(in_own_process(
                      "Recover.DISABLED_Victim",
                      {{"INGOT_TEST_SCENE", dir_.path()}, {"INGOT_TEST_STEP", name}, {"INGOT_TEST_SNAPSHOT", snapshot.id.hex()}}),
                  128 + SIGKILL)
            << name;
        FakeServerDriver::serving.clear();
        FakeServerDriver::rejects = name == "restore.activated" ? "now" : "";  // it rejects the old ones: said, and no more
        const RestoreResult result = recover(stack_, fs_, progress_);
        EXPECT_EQ(FakeServerDriver::serving, told) << name;
        EXPECT_EQ(result.problems.size(), name == "restore.activated" ? 1u : 0u) << name;
        EXPECT_EQ(leftovers(), std::vector<std::string>{}) << name;
        EXPECT_EQ(read_whole(at("web.conf")), name == "restore.proven" ? "then" : "now");
    }
}

TEST_F(Recover, NamesATargetWhosePlanIsGoneAndKeepsTheJournal) {
    Journal journal;
    journal.stack = "test";
    journal.state = RestoreState::stopped;
    JournalTarget target;
    target.source = "docs";
    target.stage_dirs = {at("docs/.ingot-1")};
    target.work_dir = dir_.at("state/restore-1");
    target.swap_begun = true;
    journal.targets = {target};
    std::filesystem::create_directories(at("docs/.ingot-1"));
    JournalFile(fs_, dir_.at("state"), "test").save(journal);
    const Error error = error_of([&] { recover(stack_, fs_, progress_); });
    EXPECT_EQ(error.code(), Code::rollback_incomplete);
    EXPECT_NE(std::string(error.what()).find("putting back the old state of docs"), std::string::npos) << error.what();
    EXPECT_TRUE(std::filesystem::exists(at("docs/.ingot-1")));
    EXPECT_TRUE(unfinished_restore(fs_, dir_.at("state"), "test"));
}

// What is to be known of a restore is told while its journal is there: no crash leaves one without a word.
TEST_F(Recover, TellsOfARestoreBeforeItsJournalGoes) {
    struct Told {
        std::string outcome, error, restore_id;
        bool unfinished;
        size_t leftovers;
    };
    std::vector<Told> told;
    const BeforeForgetting telling = [&](const RestoreResult& result, const Error* error) {
        told.push_back({result.outcome, error == nullptr ? "" : error->what(), result.restore_id,
                        unfinished_restore(fs_, stack_.state_dir, "test").has_value(), leftovers().size()});
    };
    const Snapshot snapshot = take();
    change();
    RestoreOptions options;
    options.before_forgetting = telling;
    FakeEngine::breaks = true;
    EXPECT_EQ(error_of([&] { run(snapshot, options); }).code(), Code::rolled_back);
    FakeEngine::breaks = false;
    FakeEngine::refuses = true;
    EXPECT_EQ(error_of([&] { run(snapshot, options); }).code(),
              Code::failed);  // of what touched nothing there is nothing to tell
    FakeEngine::refuses = false;
    options.keep_old = [](const Journal&) -> std::string { throw Error(Code::locked, "the repository is locked"); };
    const RestoreResult result = run(snapshot, options);  // its journal stays
    ASSERT_EQ(told.size(), 1u);
    EXPECT_EQ(told[0].outcome, "");
    EXPECT_NE(told[0].error.find("the old state is live"), std::string::npos) << told[0].error;
    RecoverOptions again;
    again.before_forgetting = telling;
    recover(stack_, fs_, progress_, again);
    ASSERT_EQ(told.size(), 2u);
    EXPECT_EQ(told[1].outcome, "restored");
    EXPECT_EQ(told[1].restore_id, result.restore_id);
    for (const Told& each : told) {
        EXPECT_TRUE(each.unfinished);
        EXPECT_EQ(each.leftovers, 1u);  // the journal alone
    }
    EXPECT_EQ(leftovers(), std::vector<std::string>{});
}

}  // namespace
}  // namespace ingot::test
