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

}  // namespace
}  // namespace ingot::test
