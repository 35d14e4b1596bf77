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

// A tree whose engine reads its files: web.conf, by a fake server.
class ServerTrees : public RestoreTest {
protected:
    ServerTrees() {
        add<FakeServerDriver>("web", "fakeserver", {"web.conf"});
        write_file(at("web.conf"), "then");
    }
    Error refusal(const Snapshot& snapshot) {
        const TreeState before = live();
        const Error error = error_of([&] { run(snapshot); });
        EXPECT_EQ(difference(live(), before), "");
        EXPECT_EQ(leftovers(), std::vector<std::string>{});
        return error;
    }
};

TEST_F(ServerTrees, AreOpenedByTheirEngineBeforeAnythingIsSwapped) {
    write_file(at("web.conf"), "a syntax error");
    const Snapshot snapshot = take();
    write_file(at("web.conf"), "now");
    const Error error = refusal(snapshot);
    EXPECT_EQ(error.code(), Code::damaged);
    EXPECT_NE(std::string(error.what()).find("web: the snapshot's artifact does not open: the fake server rejects it"),
              std::string::npos)
        << error.what();
    EXPECT_NE(std::string(error.what()).find("nothing was changed"), std::string::npos);
    EXPECT_EQ(FakeServerDriver::opened, 1);
    EXPECT_TRUE(FakeServerDriver::serving.empty());
    for (const auto& entry : std::filesystem::directory_iterator(repository_->spool_dir()))
        EXPECT_FALSE(entry.path().filename().string().starts_with("scratch-")) << entry.path();
}

TEST_F(ServerTrees, AreNotOpenedWhenNoEntryChangesOrTheSnapshotIsGolden) {
    Snapshot snapshot = take();
    run(snapshot);
    EXPECT_EQ(FakeServerDriver::opened, 0);  // nothing of it changes
    write_file(at("web.conf"), "now");
    run(snapshot);
    EXPECT_EQ(FakeServerDriver::opened, 1);
    Attestation golden;
    golden.kind = AttestationKind::golden;
    golden.manifest = snapshot.id;
    snapshot.attestations.push_back(golden);
    ASSERT_TRUE(snapshot.golden());
    write_file(at("web.conf"), "now");
    run(snapshot);
    EXPECT_EQ(FakeServerDriver::opened, 1);
    FakeServerDriver::opens_golden = true;  // one that depends on this host
    write_file(at("web.conf"), "now");
    run(snapshot);
    EXPECT_EQ(FakeServerDriver::opened, 2);
}

}  // namespace
}  // namespace ingot::test
