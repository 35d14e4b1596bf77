#include "restore/keep_replaced.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "tests/restore/restore_test_base.h"

namespace ingot::test {
namespace {

class KeepReplaced : public RestoreTest {
protected:
    RestoreOptions keeping(const std::string& folder) {
        RestoreOptions options;
        options.keep_replaced = folder;
        return options;
    }
    static uint32_t mode_of(const std::string& path) {
        struct stat st {};
        EXPECT_EQ(::lstat(path.c_str(), &st), 0) << path;
        return st.st_mode & 07777;
    }
    // What change() made, and a restore replaced or removed.
    static void expect_kept(const std::string& kept) {
        EXPECT_EQ(mode_of(kept), 0700u);
        EXPECT_EQ(read_whole(kept + "/docs/docs/a"), std::string(50'000, 'x'));
        EXPECT_EQ(read_whole(kept + "/docs/docs/deep/b"), "other");
        EXPECT_EQ(read_whole(kept + "/docs/docs/extra/below/c"), "not in the snapshot");
        EXPECT_TRUE(std::filesystem::is_directory(kept + "/docs/docs/link"));
        EXPECT_EQ(read_whole(kept + "/env/.env"), "KEY=new value\n");
        EXPECT_EQ(mode_of(kept + "/env/.env"), 0644u);
        EXPECT_EQ(read_whole(kept + "/db/fake.db"), "rows of now");
        EXPECT_FALSE(std::filesystem::exists(kept + "/docs/docs/same"));
        EXPECT_FALSE(std::filesystem::exists(kept + "/.ingot-part"));
    }
};

TEST_F(KeepReplaced, HoldsEveryEntryThatTheSwapReplaced) {
    const TreeState then = live();
    const Snapshot snapshot = take();
    change();
    const RestoreResult result = run(snapshot, keeping(dir_.at("kept")));
    EXPECT_EQ(difference(live(), then), "");
    EXPECT_EQ(result.problems, std::vector<std::string>{});
    EXPECT_TRUE(result.kept_in.starts_with(dir_.at("kept/")) && result.kept_in.ends_with("Z-" + result.restore_id));
    expect_kept(result.kept_in);
    EXPECT_EQ(leftovers(), std::vector<std::string>{});
}

TEST_F(KeepReplaced, IsANewFolderEachTimeAndNoneWhereNothingWasReplaced) {
    const Snapshot snapshot = take();
    change();
    const std::string first = run(snapshot, keeping(dir_.at("kept"))).kept_in;
    write_file(at("docs/deep/b"), "a third");
    const std::string second = run(snapshot, keeping(dir_.at("kept"))).kept_in;
    EXPECT_NE(first, second);
    expect_kept(first);
    EXPECT_EQ(read_whole(second + "/docs/docs/deep/b"), "a third");
    RestoreOptions options = keeping(dir_.at("kept"));
    options.only = {"docs", "env"};
    EXPECT_EQ(run(snapshot, options).kept_in, "");
    int folders = 0;
    for (const auto& each : std::filesystem::directory_iterator(dir_.at("kept"))) folders += each.is_directory() ? 1 : 0;
    EXPECT_EQ(folders, 2);
}

TEST_F(KeepReplaced, NeverWritesOverAName) {
    const Snapshot snapshot = take();
    change();
    static std::string taken;
    taken = dir_.at("kept");
    set_step_listener([](const char* name) {
        if (std::string_view(name) != "restore.proven") return;
        for (const auto& each : std::filesystem::directory_iterator(taken)) {
            std::filesystem::create_directories(each.path() / "env");
            write_file((each.path() / "env/.env").string(), "someone's");
        }
    });
    const RestoreResult result = run(snapshot, keeping(taken));
    set_step_listener(nullptr);
    EXPECT_EQ(read_whole(result.kept_in + "/env/.env"), "someone's");
    EXPECT_EQ(read_whole(result.kept_in + "/env/.env~2"), "KEY=new value\n");
}

TEST_F(KeepReplaced, IsRemovedAgainWhenTheRestoreIsTakenBack) {
    const Snapshot snapshot = take();
    change();
    const TreeState before = live();
    FakeEngine::breaks = true;
    EXPECT_EQ(error_of([&] { run(snapshot, keeping(dir_.at("kept"))); }).code(), Code::rolled_back);
    EXPECT_EQ(difference(live(), before), "");
    EXPECT_TRUE(std::filesystem::is_empty(dir_.at("kept")));
}

TEST_F(KeepReplaced, NeverLiesInWhatIsLive) {
    const Snapshot snapshot = take();
    const Error error = error_of([&] { run(snapshot, keeping(at("docs/kept"))); });
    EXPECT_EQ(error.code(), Code::usage);
    EXPECT_NE(error.hint().find("--keep-replaced"), std::string::npos);
}

// Another file system: nothing can be renamed there. Full at first: what does not fit stays where it is, and is named.
TEST_F(KeepReplaced, IsCopiedToAnotherFileSystemAndStaysWhereItIsWhileThatIsFull) {
    const TreeState then = live();
    const Snapshot snapshot = take();
    change();
    const int status = in_child([&] {
        if (::unshare(CLONE_NEWNS) != 0 || ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return 77;
        std::filesystem::create_directory(dir_.at("other"));
        if (::mount("tmpfs", dir_.at("other").c_str(), "tmpfs", 0, "size=4m") != 0) return 77;
        static std::string filler;
        filler = dir_.at("other/filler");
        set_step_listener([](const char* name) {  // there was room when it was asked for
            if (std::string_view(name) == "restore.proven")
                (void)!std::system(("dd if=/dev/zero of=" + filler + " 2>/dev/null").c_str());
        });
        const RestoreResult result = run(snapshot, keeping(dir_.at("other")));
        EXPECT_EQ(difference(state_of(root() + "/docs/deep"), TreeState()) == "", false);
        EXPECT_EQ(result.outcome, "restored");
        EXPECT_FALSE(result.problems.empty());
        std::string problems;
        for (const std::string& line : result.problems) problems += line + "\n";
        EXPECT_NE(problems.find("what was replaced of docs lies in " + root()), std::string::npos) << problems;
        EXPECT_TRUE(unfinished_restore(fs_, dir_.at("state"), "test"));
        std::filesystem::remove(filler);
        const RestoreResult resumed = recover(stack_, fs_, progress_);
        EXPECT_EQ(resumed.problems, std::vector<std::string>{});
        EXPECT_EQ(resumed.kept_in, result.kept_in);
        expect_kept(resumed.kept_in);
        EXPECT_EQ(difference(live(), then), "");
        EXPECT_EQ(leftovers(), std::vector<std::string>{});
        ::umount(dir_.at("other").c_str());
        return HasFailure() ? 1 : 0;
    });
    if (status == 77) GTEST_SKIP() << "no mounts may be made here";
    EXPECT_EQ(status, 0);
}

// The process that the next test kills.
TEST_F(KeepReplaced, DISABLED_Victim) {
    open(LockMode::shared);
    const Snapshot snapshot = listed(RecordId::from_hex(std::getenv("INGOT_TEST_SNAPSHOT")));
    die_at_step(std::stoi(std::getenv("INGOT_TEST_STEP")));
    run(snapshot, keeping(dir_.at("kept")));
}

TEST_F(KeepReplaced, KilledAtAnyStepKeepsAllOrNothingWasReplaced) {
    const TreeState then = live();
    const Snapshot snapshot = take();
    change();
    const std::string saved = dir_.at("saved");
    ASSERT_EQ(std::system(("cp -a " + root() + " " + saved).c_str()), 0);
    repository_.reset();
    int old_ones = 0, new_ones = 0;
    for (int nth = 1;; ++nth) {
        const int status = in_own_process("KeepReplaced.DISABLED_Victim", {{"INGOT_TEST_SCENE", dir_.path()},
                                                                           {"INGOT_TEST_STEP", std::to_string(nth)},
                                                                           {"INGOT_TEST_SNAPSHOT", snapshot.id.hex()}});
        if (status == 0) break;
        ASSERT_EQ(status, 128 + SIGKILL);
        const RestoreResult result = recover(stack_, fs_, progress_);
        EXPECT_EQ(result.problems, std::vector<std::string>{});
        const bool is_new = difference(live(), then).empty();
        if (is_new && result.outcome != "nothing") expect_kept(result.kept_in);
        const bool kept = std::filesystem::exists(dir_.at("kept")) && !std::filesystem::is_empty(dir_.at("kept"));
        ASSERT_TRUE(is_new || !kept) << nth;
        ASSERT_EQ(leftovers(), std::vector<std::string>{}) << nth;
        ++(is_new ? new_ones : old_ones);
        std::filesystem::remove_all(dir_.at("kept"));
        std::filesystem::remove_all(root());
        ASSERT_EQ(std::system(("cp -a " + saved + " " + root()).c_str()), 0);
    }
    std::printf("killed at %d steps: %d wholly old, %d kept\n", old_ones + new_ones, old_ones, new_ones);
    EXPECT_GT(old_ones, 10);
    EXPECT_GT(new_ones, 3);
}

}  // namespace
}  // namespace ingot::test
