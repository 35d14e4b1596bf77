#include "restore/old_tree.h"

#include "restore/recover.h"
#include "restore/safety.h"
#include "tests/restore/restore_test_base.h"

namespace ingot::test {
namespace {

// What a safety snapshot gives back is compared with what was live: the whole of an OldTree, through listing, store and restore.
class OldTrees : public RestoreTest {
protected:
    OldTrees() {
        stack_.sources.clear();
        add<FilesDriver>("docs", "files", {"docs"}, {"*.keep"});
    }
    // Restores, lets `meanwhile` happen before the old state is stored, then undoes.
    TreeState there_and_back(const Snapshot& snapshot, const std::function<void()>& meanwhile = {}) {
        RestoreOptions options;
        std::string safety;
        options.keep_old = [&](const Journal& journal) {
            if (meanwhile) meanwhile();
            safety = take_safety_snapshot(*repository_, stack_, fs_, journal, progress_).id->hex();
            return safety;
        };
        const RestoreResult result = run(snapshot, options);
        for (const std::string& problem : result.problems) ADD_FAILURE() << problem;
        for (const Snapshot& each : load_snapshots(*repository_, "test", {})) {
            if (each.id.hex() == safety) run(each);
        }
        return live();
    }
};

TEST_F(OldTrees, HoldReplacedRemovedAddedAndReattributedEntries) {
    const Snapshot snapshot = take();
    change();
    std::filesystem::permissions(at("docs/same"), std::filesystem::perms::owner_read);
    const TreeState old = live();
    EXPECT_EQ(difference(old, there_and_back(snapshot)), "");
}

TEST_F(OldTrees, KnowWhichNamesWereLinksOfOneFile) {
    const Snapshot snapshot = take();
    std::filesystem::create_directories(at("docs/aaa"));
    std::filesystem::create_hard_link(at("docs/same"), at("docs/aaa/before"));  // comes first in the listing, and is removed
    std::filesystem::create_hard_link(at("docs/same"), at("docs/zzz"));
    std::filesystem::create_directories(at("docs/both"));
    write_file(at("docs/both/one"), "two names, both removed");
    std::filesystem::create_hard_link(at("docs/both/one"), at("docs/both/two"));
    const TreeState old = live();
    EXPECT_EQ(difference(old, there_and_back(snapshot)), "");
    EXPECT_TRUE(std::filesystem::equivalent(at("docs/same"), at("docs/aaa/before")));
    EXPECT_TRUE(std::filesystem::equivalent(at("docs/same"), at("docs/zzz")));
    EXPECT_TRUE(std::filesystem::equivalent(at("docs/both/one"), at("docs/both/two")));
}

TEST_F(OldTrees, GiveBackWhatWasRemovedOfAFolderThatStayed) {
    const Snapshot snapshot = take();
    std::filesystem::create_directories(at("docs/extra/below"));
    write_file(at("docs/extra/kept.keep"), "never moved");
    write_file(at("docs/extra/below/c"), "removed");
    const TreeState old = live();
    EXPECT_EQ(difference(old, there_and_back(snapshot)), "");
}

TEST_F(OldTrees, DoNotShowWhatIsDoneAfterTheSwap) {
    const Snapshot snapshot = take();
    write_file(at("docs/deep/b"), "changed before the restore");
    const TreeState old = live();
    const TreeState back = there_and_back(snapshot, [&] { write_file(at("docs/same"), "written by a service since"); });
    EXPECT_EQ(difference(old, back), "");
    EXPECT_EQ(read_whole(at("docs/same")), "the same in both");
}

TEST_F(OldTrees, NameAnOldEntryThatIsGone) {
    const Snapshot snapshot = take();
    write_file(at("docs/deep/b"), "changed");
    RestoreOptions options;
    options.keep_old = [&](const Journal& journal) -> std::string {
        for (const std::string& stage : journal.targets.at(0).stage_dirs) std::filesystem::remove_all(stage);
        return take_safety_snapshot(*repository_, stack_, fs_, journal, progress_).id->hex();
    };
    const RestoreResult result = run(snapshot, options);
    ASSERT_EQ(result.problems.size(), 1u);
    EXPECT_NE(result.problems[0].find("no safety snapshot of it could be taken"), std::string::npos) << result.problems[0];
    EXPECT_EQ(read_whole(at("docs/deep/b")), "b");
}

}  // namespace
}  // namespace ingot::test
