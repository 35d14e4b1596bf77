#include "restore/tree_target.h"

#include "tests/restore/restore_test_base.h"

namespace ingot::test {
namespace {

using TreeTargets = RestoreTest;

TEST_F(TreeTargets, LeaveWhatBelongsToAnotherSourceToIt) {
    add<FilesDriver>("all", "files", {"docs/..", "docs"});  // the whole of the stack's root
    const auto foreign = belongs_to_others(stack_, *stack_.sources.back());
    EXPECT_TRUE(foreign(at("docs")));
    EXPECT_TRUE(foreign(at("docs/deep/b")));
    EXPECT_TRUE(foreign(at(".env")));
    EXPECT_TRUE(foreign(at("fake.db")));
    EXPECT_TRUE(foreign(at("fake.db-wal")));  // an engine's own file
    EXPECT_FALSE(foreign(at("other")));
    EXPECT_FALSE(foreign(at(".env-sample")));
}

TEST_F(TreeTargets, OwnWhatTheyAndALaterSourceBothName) {
    add<FilesDriver>("docs-again", "files", {"docs"});
    EXPECT_FALSE(belongs_to_others(stack_, *stack_.sources.front())(at("docs/a")));
    EXPECT_TRUE(belongs_to_others(stack_, *stack_.sources.back())(at("docs/a")));
}

TEST_F(TreeTargets, OfTheWholeRootNeverMoveAnEnginesFiles) {
    stack_.sources.clear();
    add<FilesDriver>("all", "files", {"."});
    add<FakeEngineDriver>("db", "fake", {"fake.db"});
    const Snapshot snapshot = take();
    change();
    write_file(at("fake.db-wal"), "log");
    run(snapshot, {.only = {"all"}, .to = {}});
    EXPECT_EQ(read_whole(at("fake.db")), "rows of now");
    EXPECT_EQ(read_whole(at("fake.db-wal")), "log");
    EXPECT_EQ(read_whole(at("docs/gone")), "was there");
    EXPECT_FALSE(std::filesystem::exists(at("docs/extra")));
}

TEST_F(TreeTargets, LeaveAPathThatTheConfigHasAndTheSnapshotHasNot) {
    const Snapshot snapshot = take();
    stack_.sources.erase(stack_.sources.begin());
    std::filesystem::create_directories(at("logs"));
    write_file(at("logs/today"), "kept");
    add<FilesDriver>("docs", "files", {"docs", "logs"});
    change();
    run(snapshot);
    EXPECT_EQ(read_whole(at("logs/today")), "kept");
    EXPECT_EQ(read_whole(at("docs/deep/b")), "b");
}

}  // namespace
}  // namespace ingot::test
