#include "restore/left_aside.h"

#include <algorithm>

#include "restore/last_restore.h"
#include "restore/safety.h"
#include "tests/restore/restore_test_base.h"

namespace ingot::test {
namespace {

class LeftAsideTest : public RestoreTest {
protected:
    static KeepOldState locked() {
        return [](const Journal&) -> std::string { throw Error(Code::locked, "the repository is locked"); };
    }
    KeepOldState storing() {
        return [this](const Journal& journal) {
            return take_safety_snapshot(*repository_, stack_, fs_, journal, progress_).id.value().hex();
        };
    }
    // A restore whose old state could not be stored, set aside; its id.
    std::string set_aside(const Snapshot& snapshot) {
        RestoreOptions options;
        options.keep_old = locked();
        const std::string id = run(snapshot, options).restore_id;
        EXPECT_EQ(set_proven_aside(fs_, stack_), join(stack_.state_dir, "test.left-" + id));
        return id;
    }
    RestoreResult resume(const KeepOldState& keep_old) {
        RecoverOptions options;
        options.keep_old = keep_old;
        options.left_aside = true;
        return recover(stack_, fs_, progress_, options);
    }
};

TEST_F(LeftAsideTest, AProvenRestoreIsNoLongerInTheWay) {
    const Snapshot snapshot = take();
    change();
    const std::string id = set_aside(snapshot);
    EXPECT_FALSE(unfinished_restore(fs_, stack_.state_dir, "test"));
    EXPECT_EQ(set_proven_aside(fs_, stack_), "");
    EXPECT_FALSE(leftovers().empty());
    EXPECT_EQ(left_aside(fs_, stack_.state_dir, "test"), std::vector<std::string>{join(stack_.state_dir, "test.left-" + id)});
}

TEST_F(LeftAsideTest, IsStoredLaterAlsoAfterAnotherRestoreAndTheLastOneStaysTheLast) {
    const Snapshot snapshot = take();
    const TreeState then = live();
    change();
    const TreeState old = live();
    const std::string id = set_aside(snapshot);
    write_file(at("docs/deep/b"), "later");
    RestoreOptions options;
    options.keep_old = storing();
    const RestoreResult later = run(snapshot, options);
    const RestoreResult result = resume(storing());
    EXPECT_EQ(result.outcome, "nothing");
    EXPECT_TRUE(result.problems.empty());
    ASSERT_EQ(result.left_finished.size(), 1u);
    EXPECT_NE(result.left_finished[0].find(id), std::string::npos);
    EXPECT_EQ(leftovers(), std::vector<std::string>{});
    EXPECT_TRUE(left_aside(fs_, stack_.state_dir, "test").empty());
    EXPECT_EQ(difference(then, live()), "");
    EXPECT_EQ(last_restore(fs_, stack_.state_dir, "test")->restore_id, later.restore_id);
    for (const Snapshot& each : load_snapshots(*repository_, "test", {})) {
        if (std::ranges::count(each.manifest.tags, safety_tag(id)) == 0) continue;
        run(each);
        EXPECT_EQ(difference(old, live()), "");
        return;
    }
    ADD_FAILURE() << "no safety snapshot of " << id;
}

TEST_F(LeftAsideTest, StaysWhereItStillCannotBeStoredAndIsGivenUpWhereNobodyWantsIt) {
    const Snapshot snapshot = take();
    change();
    set_aside(snapshot);
    const RestoreResult locked_still = resume(locked());
    ASSERT_EQ(locked_still.problems.size(), 1u);
    EXPECT_NE(locked_still.problems[0].find("the repository is locked"), std::string::npos);
    EXPECT_EQ(left_aside(fs_, stack_.state_dir, "test").size(), 1u);
    EXPECT_FALSE(unfinished_restore(fs_, stack_.state_dir, "test"));
    EXPECT_TRUE(resume({}).problems.empty());
    EXPECT_TRUE(left_aside(fs_, stack_.state_dir, "test").empty());
    EXPECT_EQ(leftovers(), std::vector<std::string>{});
}

TEST_F(LeftAsideTest, WaitsWhileNobodyAsksForIt) {
    const Snapshot snapshot = take();
    change();
    set_aside(snapshot);
    RecoverOptions options;
    options.keep_old = storing();
    EXPECT_EQ(recover(stack_, fs_, progress_, options).outcome, "nothing");
    EXPECT_EQ(left_aside(fs_, stack_.state_dir, "test").size(), 1u);
}

TEST_F(LeftAsideTest, OneThatIsDamagedIsNamedAndStays) {
    const std::string path = join(stack_.state_dir, "test.left-0123456789abcdef");
    std::filesystem::create_directories(stack_.state_dir);
    write_file(path, "no journal");
    const RestoreResult result = resume(storing());
    ASSERT_EQ(result.problems.size(), 1u);
    EXPECT_NE(result.problems[0].find(path), std::string::npos);
    EXPECT_TRUE(fs_.exists(path));
}

}  // namespace
}  // namespace ingot::test
