// Where trees are staged: each mount has a stage of its own, and some places none.
#include "restore/tree_stage.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "restore/tree_swap.h"
#include "tests/restore/tree_scene.h"

namespace ingot::test {
namespace {

// As root, in a child with a mount namespace of its own. 0: all went well; 77: this machine allows no mounts.
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
