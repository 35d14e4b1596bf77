#include "restore/tree_swap.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>

#include "base/error.h"
#include "base/step.h"
#include "restore/stage_folder.h"
#include "restore/tree_stage.h"
#include "tests/support/faulty_filesystem.h"
#include "tests/support/temp_dir.h"
#include "tests/support/tree_model.h"

namespace ingot::test {
namespace {

// A live tree and a snapshot of another one.
struct Scene {
    TempDir dir;
    std::string live = dir / "stack/data";
    std::string wanted = dir / "wanted";
    MemoryContent content;
    std::vector<ListedEntry> listing;
    std::vector<std::string> excluded;

    Scene() {
        std::filesystem::create_directories(live);
        std::filesystem::create_directories(wanted);
    }
    void take() { listing = listing_of(wanted, "data", content); }

    TreeDraft compare(FileSystem& fs = real_filesystem()) {
        CompareInput input;
        input.source = "data";
        input.roots = {{"data", dir / "stack", "data"}};
        input.listing = replay(listing);
        input.excluded = [this](const std::string& path) { return std::ranges::find(excluded, path) != excluded.end(); };
        input.foreign = [](const std::string&) { return false; };
        input.spool_dir = dir.path();
        input.stage_name = ".ingot-0123456789abcdef-0";
        input.list_changes = true;
        return compare_tree(input, content, fs);
    }
    std::string plan() const { return dir.path() + "/plan"; }
    std::vector<std::string> stage(FileSystem& fs = real_filesystem()) {
        const TreeDraft draft = compare(fs);
        for (const DraftStage& stage : draft.stages) stages.push_back(stage.path);
        return stage_tree(draft, content, fs, plan()).problems;
    }
    void clean() {
        for (const std::string& stage : stages) remove_stage_folder(real_filesystem(), stage);
        std::filesystem::remove(plan());
        stages.clear();
    }
    std::vector<std::string> stages;
};

int the_countdown = 0;
void kill_at_zero(const char*) {
    if (--the_countdown == 0) ::kill(::getpid(), SIGKILL);
}

// Runs `body` in a child that kills itself at its nth step; true where it got that far.
template <class Body>
bool killed_at_step(int nth, Body&& body) {
    std::fflush(nullptr);  // else a child would print it again
    const pid_t child = ::fork();
    if (child == 0) {
        the_countdown = nth;
        set_step_listener(kill_at_zero);
        try {
            body();
        } catch (const std::exception& error) {
            std::fprintf(stderr, "child: %s\n", error.what());
            ::_exit(2);
        }
        ::_exit(0);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    EXPECT_TRUE(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
    return WIFSIGNALED(status);
}

class RandomTrees : public testing::TestWithParam<int> {};

TEST_P(RandomTrees, BecomeTheSnapshotsByTheSwapAndTheOldOnesByTheUndo) {
    std::mt19937_64 random(static_cast<uint64_t>(GetParam()));
    Scene scene;
    make_random_tree(scene.live, random);
    if (random() % 4 == 0) {
        make_random_tree(scene.wanted, random);
    } else {  // a later state of the same tree
        std::filesystem::remove_all(scene.wanted);
        ASSERT_EQ(std::system(("cp -a '" + scene.live + "' '" + scene.wanted + "'").c_str()), 0);
        change_at_random(scene.wanted, random);
    }
    scene.take();
    const TreeState wanted = state_of(scene.wanted);
    const TreeState old = state_of(scene.live, true);

    EXPECT_EQ(scene.stage(), std::vector<std::string>{});
    TreeSwap(real_filesystem(), scene.plan()).swap();
    TreeSwap(real_filesystem(), scene.plan()).swap();  // again: nothing left to do
    TreeSwap(real_filesystem(), scene.plan()).undo();
    scene.clean();
    EXPECT_EQ(difference(state_of(scene.live, true), old), "");

    EXPECT_EQ(scene.stage(), std::vector<std::string>{});
    TreeSwap(real_filesystem(), scene.plan()).swap();
    scene.clean();
    EXPECT_EQ(difference(state_of(scene.live), wanted), "");
    EXPECT_TRUE(scene.compare().empty());
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomTrees, testing::Range(0, 60));

TEST(TreeSwap, KilledAfterAnyOperationIsUndoneWholly) {
    int kills = 0;
    for (int seed = 100; seed < 104; ++seed) {
        std::mt19937_64 random(static_cast<uint64_t>(seed));
        Scene scene;
        make_random_tree(scene.live, random);
        make_random_tree(scene.wanted, random);
        scene.take();
        const TreeState old = state_of(scene.live, true);
        const TreeState wanted = state_of(scene.wanted);
        for (int nth = 1;; ++nth) {
            scene.stage();
            const bool killed = killed_at_step(nth, [&] { TreeSwap(real_filesystem(), scene.plan()).swap(); });
            if (!killed) {
                scene.clean();
                EXPECT_EQ(difference(state_of(scene.live), wanted), "");
                break;
            }
            ++kills;
            // The undo may be killed as well.
            (void)killed_at_step(1 + nth / 2, [&] { TreeSwap(real_filesystem(), scene.plan()).undo(); });
            TreeSwap(real_filesystem(), scene.plan()).undo();
            scene.clean();
            ASSERT_EQ(difference(state_of(scene.live, true), old), "") << "seed " << seed << ", killed after step " << nth;
        }
    }
    std::printf("killed after %d operations, each undone wholly\n", kills);
}

TEST(TreeSwap, UndoesWhatWasDoneWhenAnyCallFails) {
    int failures = 0;
    for (const Call call : {Call::rename, Call::sync_dir, Call::create, Call::sync, Call::remove}) {
        for (const bool for_good : {false, true}) {
            for (uint64_t nth = 1;; ++nth) {
                std::mt19937_64 random(7);
                Scene scene;
                make_random_tree(scene.live, random);
                make_random_tree(scene.wanted, random);
                scene.take();
                const TreeState old = state_of(scene.live, true);
                scene.stage();
                FaultyFileSystem fs;
                fs.fail(call, nth, for_good);
                bool swapped = true;
                try {
                    TreeSwap(fs, scene.plan()).swap();
                } catch (const Error& error) {
                    swapped = false;
                    EXPECT_EQ(error.code(), Code::failed);
                }
                const bool failed = fs.failures() > 0;
                EXPECT_EQ(failed, !swapped) << to_string(call) << " " << nth;
                if (swapped) break;
                ++failures;
                if (for_good) {
                    try {
                        TreeSwap(fs, scene.plan()).undo();
                    } catch (const Error& error) {
                        EXPECT_EQ(error.code(), Code::rollback_incomplete);
                        EXPECT_NE(error.hint(), "");
                    }
                    fs.mend();
                }
                TreeSwap(fs, scene.plan()).undo();
                scene.clean();
                ASSERT_EQ(difference(state_of(scene.live, true), old), "") << to_string(call) << " " << nth;
            }
        }
    }
    std::printf("%d failing calls, each undone wholly\n", failures);
}

TEST(TreeSwap, UndoPassesOverAFailureThatHappensOnce) {
    for (uint64_t nth = 1;; ++nth) {
        std::mt19937_64 random(8);
        Scene scene;
        make_random_tree(scene.live, random);
        make_random_tree(scene.wanted, random);
        scene.take();
        const TreeState old = state_of(scene.live, true);
        scene.stage();
        TreeSwap(real_filesystem(), scene.plan()).swap();
        FaultyFileSystem fs;
        fs.fail(Call::change, nth, false);
        TreeSwap(fs, scene.plan()).undo();
        scene.clean();
        ASSERT_EQ(difference(state_of(scene.live, true), old), "") << nth;
        if (fs.failures() == 0) break;
    }
}

TEST(TreeSwap, StopsBeforeAFileThatSomeoneChangedSinceItWasCompared) {
    Scene scene;
    write_file(scene.live + "/a", "old");
    write_file(scene.live + "/b", "old");
    write_file(scene.wanted + "/a", "new");
    write_file(scene.wanted + "/b", "new");
    scene.take();
    scene.stage();
    write_file(scene.live + "/b", "someone's");
    TreeSwap swap(real_filesystem(), scene.plan());
    try {
        swap.swap();
        FAIL() << "swapped";
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), Code::failed);
        EXPECT_NE(std::string(error.what()).find(scene.live + "/b was changed by someone else during the restore"),
                  std::string::npos)
            << error.what();
    }
    swap.undo();
    scene.clean();
    EXPECT_EQ(read_whole(scene.live + "/a"), "old");
    EXPECT_EQ(read_whole(scene.live + "/b"), "someone's");
}

TEST(TreeSwap, NeverMovesAsideAFolderIntoWhichSomeoneWroteSinceItWasCompared) {
    Scene scene;
    std::filesystem::create_directories(scene.live + "/extra/deep");
    write_file(scene.live + "/extra/deep/file", "x");
    scene.take();
    scene.stage();
    write_file(scene.live + "/extra/deep/another", "y");
    TreeSwap swap(real_filesystem(), scene.plan());
    EXPECT_THROW(swap.swap(), Error);
    swap.undo();
    scene.clean();
    EXPECT_EQ(read_whole(scene.live + "/extra/deep/another"), "y");
}

TEST(TreeSwap, ReplacesASymlinkItselfAndNotWhatItLeadsTo) {
    Scene scene;
    write_file(scene.dir / "outside", "untouched");
    std::filesystem::create_symlink(scene.dir / "outside", scene.live + "/settings");
    write_file(scene.wanted + "/settings", "new");
    scene.take();
    scene.stage();
    TreeSwap(real_filesystem(), scene.plan()).swap();
    scene.clean();
    EXPECT_EQ(read_whole(scene.dir / "outside"), "untouched");
    EXPECT_TRUE(std::filesystem::is_regular_file(std::filesystem::symlink_status(scene.live + "/settings")));
}

TEST(TreeSwap, LeavesExcludedPathsAndSocketsWhereTheyAre) {
    Scene scene;
    std::filesystem::create_directories(scene.live + "/run/sub");
    write_file(scene.live + "/run/sub/cache.tmp", "excluded");
    write_file(scene.live + "/run/sub/gone", "moved aside");
    write_file(scene.live + "/top.tmp", "excluded");
    const int socket = ::socket(AF_UNIX, SOCK_STREAM, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::snprintf(address.sun_path, sizeof address.sun_path, "%s/app.sock", scene.live.c_str());
    ASSERT_EQ(::bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    ::close(socket);
    scene.excluded = {"data/run/sub/cache.tmp", "data/top.tmp"};
    scene.take();
    const TreeState old = state_of(scene.live, true);
    scene.stage();
    TreeSwap(real_filesystem(), scene.plan()).swap();
    EXPECT_EQ(read_whole(scene.live + "/run/sub/cache.tmp"), "excluded");
    EXPECT_FALSE(std::filesystem::exists(scene.live + "/run/sub/gone"));
    EXPECT_TRUE(std::filesystem::is_socket(scene.live + "/app.sock"));
    EXPECT_EQ(read_whole(scene.live + "/top.tmp"), "excluded");
    TreeSwap(real_filesystem(), scene.plan()).undo();
    scene.clean();
    EXPECT_EQ(difference(state_of(scene.live, true), old), "");
}

TEST(TreeSwap, UndoNamesBothPlacesWhenSomeoneTookTheNewFilesPlace) {
    Scene scene;
    write_file(scene.live + "/a", "old");
    write_file(scene.wanted + "/a", "new");
    scene.take();
    scene.stage();
    TreeSwap(real_filesystem(), scene.plan()).swap();
    std::filesystem::remove(scene.live + "/a");
    write_file(scene.live + "/a", "someone's");
    try {
        TreeSwap(real_filesystem(), scene.plan()).undo();
        FAIL() << "undone";
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), Code::rollback_incomplete);
        EXPECT_NE(std::string(error.what()).find(scene.live + "/a was changed"), std::string::npos) << error.what();
        EXPECT_NE(std::string(error.what()).find(scene.stages.at(0) + "/0"), std::string::npos) << error.what();
    }
    EXPECT_EQ(read_whole(scene.live + "/a"), "someone's");
}

TEST(TreeSwap, RefusesALivePathThatIsReachedThroughASymlink) {
    Scene scene;
    write_file(scene.wanted + "/a", "new");
    scene.take();
    std::filesystem::rename(scene.live, scene.dir / "elsewhere");
    std::filesystem::create_symlink(scene.dir / "elsewhere", scene.dir / "stack/way");
    CompareInput input;
    input.roots = {{"data", scene.dir / "stack", "way/data"}};
    input.listing = replay(scene.listing);
    input.excluded = input.foreign = [](const std::string&) { return false; };
    input.spool_dir = scene.dir.path();
    try {
        (void)compare_tree(input, scene.content, real_filesystem());
        FAIL() << "compared";
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), Code::failed);
        EXPECT_NE(std::string(error.what()).find("is reached through the symlink " + (scene.dir / "stack/way")),
                  std::string::npos)
            << error.what();
    }
}

TEST(TreeSwap, MakesTheFoldersAboveARootAgainAndTakesThemAwayInTheUndo) {
    Scene scene;
    write_file(scene.wanted + "/a", "new");
    scene.take();
    std::filesystem::remove_all(scene.dir / "stack/data");
    CompareInput input;
    input.source = "data";
    input.roots = {{"data", scene.dir / "stack", "far/away/data"}};
    input.listing = replay(scene.listing);
    input.excluded = input.foreign = [](const std::string&) { return false; };
    input.spool_dir = scene.dir.path();
    input.stage_name = ".ingot-0-0";
    const TreeState old = state_of(scene.dir / "stack", true);
    stage_tree(compare_tree(input, scene.content, real_filesystem()), scene.content, real_filesystem(), scene.plan());
    TreeSwap(real_filesystem(), scene.plan()).swap();
    EXPECT_EQ(read_whole(scene.dir / "stack/far/away/data/a"), "new");
    TreeSwap(real_filesystem(), scene.plan()).undo();
    remove_stage_folder(real_filesystem(), scene.dir / "stack/.ingot-0-0");
    EXPECT_EQ(difference(state_of(scene.dir / "stack", true), old), "");
}

TEST(TreeSwap, RefusesHostileListings) {
    const std::vector<std::pair<std::string, EntryType>> hostile = {
        {"data/..", EntryType::file},     {"data/../../x", EntryType::file}, {"data/./x", EntryType::file},
        {"data//x", EntryType::file},     {"data/deep/x", EntryType::file},  {std::string("data/a\0b", 8), EntryType::file},
        {"data/no", EntryType::hard_link}};
    for (const auto& [path, type] : hostile) {
        Scene scene;
        scene.take();
        ListedEntry listed;
        listed.entry.path = path;
        listed.entry.type = type;
        listed.entry.link = "../../etc/passwd";
        scene.listing.push_back(listed);
        try {
            scene.stage();
            FAIL() << "staged " << printable(path);
        } catch (const Error& error) {
            EXPECT_EQ(error.code(), Code::damaged) << error.what();
        }
        EXPECT_TRUE(std::filesystem::is_empty(scene.live)) << printable(path);
        scene.clean();
    }
}

TEST(TreeSwap, RefusesAListingThatPutsAChildBelowASymlink) {
    Scene scene;
    scene.take();
    ListedEntry link, child;
    link.entry.path = "data/way";
    link.entry.type = EntryType::symlink;
    link.entry.link = scene.dir.path();
    child.entry.path = "data/way/child";
    scene.listing.insert(scene.listing.end(), {link, child});
    try {
        scene.stage();
        FAIL() << "staged";
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), Code::damaged) << error.what();
    }
    EXPECT_FALSE(std::filesystem::exists(scene.dir / "child"));
    scene.clean();
}

// --- mounts: as root, in a child with a mount namespace of its own -------------------------------------------------------

// 0: all went well; 77: this machine allows no mounts.
template <class Body>
void with_mounts(Body&& body) {
    std::fflush(nullptr);  // else a child would print it again
    const pid_t child = ::fork();
    if (child == 0) {
        if (::unshare(CLONE_NEWNS) != 0 || ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) ::_exit(77);
        try {
            body();
        } catch (const std::exception& error) {
            ADD_FAILURE() << error.what();
        }
        std::fflush(nullptr);
        ::_exit(testing::Test::HasFailure() ? 1 : 0);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77) GTEST_SKIP() << "no mounts may be made here";
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

bool mount_tmpfs(const std::string& path, const char* options) {
    std::filesystem::create_directories(path);
    return ::mount("tmpfs", path.c_str(), "tmpfs", 0, options) == 0;
}

TEST(TreeMounts, AFolderThatIsMountedInsideTheTreeHasAStageOfItsOwn) {
    Scene scene;
    with_mounts([&] {
        ASSERT_TRUE(mount_tmpfs(scene.live + "/models", "size=8m"));
        write_file(scene.live + "/models/m", "old");
        write_file(scene.live + "/a", "old");
        std::filesystem::create_directories(scene.wanted + "/models");
        write_file(scene.wanted + "/models/m", "new");
        write_file(scene.wanted + "/a", "new");
        scene.take();
        const TreeState old = state_of(scene.live, true);
        scene.stage();
        EXPECT_EQ(scene.stages.size(), 2u);
        TreeSwap(real_filesystem(), scene.plan()).swap();
        TreeSwap(real_filesystem(), scene.plan()).undo();
        scene.clean();
        EXPECT_EQ(difference(state_of(scene.live, true), old), "");
        scene.stage();
        TreeSwap(real_filesystem(), scene.plan()).swap();
        scene.clean();
        EXPECT_EQ(difference(state_of(scene.live), state_of(scene.wanted)), "");
        EXPECT_EQ(read_whole(scene.live + "/models/m"), "new");
        ::umount((scene.live + "/models").c_str());
    });
}

TEST(TreeMounts, WhatIsMountedThereStaysThoughTheSnapshotDoesNotHoldIt) {
    Scene scene;
    with_mounts([&] {
        ASSERT_TRUE(mount_tmpfs(scene.live + "/extra/mounted", "size=1m"));
        write_file(scene.live + "/extra/mounted/file", "stays");
        write_file(scene.live + "/extra/goes", "goes");
        scene.take();
        scene.stage();
        TreeSwap(real_filesystem(), scene.plan()).swap();
        scene.clean();
        EXPECT_EQ(read_whole(scene.live + "/extra/mounted/file"), "stays");
        EXPECT_FALSE(std::filesystem::exists(scene.live + "/extra/goes"));
        ::umount((scene.live + "/extra/mounted").c_str());
    });
}

TEST(TreeMounts, AFileThatIsAMountPointIsRefused) {
    Scene scene;
    with_mounts([&] {
        write_file(scene.live + "/a", "old");
        write_file(scene.dir / "other", "bound");
        ASSERT_EQ(::mount((scene.dir / "other").c_str(), (scene.live + "/a").c_str(), nullptr, MS_BIND, nullptr), 0);
        write_file(scene.wanted + "/a", "new");
        scene.take();
        try {
            scene.stage();
            ADD_FAILURE() << "staged";
        } catch (const Error& error) {
            EXPECT_EQ(error.code(), Code::failed);
            EXPECT_NE(std::string(error.what()).find("/a is a mount point"), std::string::npos) << error.what();
        }
        EXPECT_EQ(read_whole(scene.dir / "other"), "bound");
        ::umount((scene.live + "/a").c_str());
    });
}

TEST(TreeMounts, AReadOnlyFileSystemIsRefusedAndAFullOneLeavesTheTreeAsItWas) {
    Scene scene;
    with_mounts([&] {
        ASSERT_TRUE(mount_tmpfs(scene.live, "size=256k"));
        write_file(scene.live + "/a", "old");
        write_file(scene.wanted + "/a", std::string(1 << 20, 'n'));
        scene.take();
        const TreeState old = state_of(scene.live, true);
        try {
            scene.stage();
            ADD_FAILURE() << "staged";
        } catch (const Error& error) {
            EXPECT_EQ(error.code(), Code::failed);
            EXPECT_NE(error.hint().find("free some space"), std::string::npos) << error.what();
        }
        scene.clean();
        EXPECT_EQ(difference(state_of(scene.live, true), old), "");

        ASSERT_EQ(::mount("none", scene.live.c_str(), nullptr, MS_REMOUNT | MS_RDONLY, nullptr), 0);
        try {
            scene.stage();
            ADD_FAILURE() << "staged";
        } catch (const Error& error) {
            EXPECT_EQ(error.code(), Code::failed);
            EXPECT_NE(error.hint().find("read-only"), std::string::npos) << error.what();
        }
        ::umount(scene.live.c_str());
    });
}

}  // namespace
}  // namespace ingot::test
