#include "base/scratch_folder.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>

#include "tests/support/temp_dir.h"

namespace ingot {
namespace {

TEST(ScratchFolder, IsGoneWithAllBelowItWhenItIsDestroyed) {
    const test::TempDir dir;
    std::string path;
    {
        const ScratchFolder scratch(real_filesystem(), dir.path());
        path = scratch.path();
        std::ofstream(path + "/secret") << "x";
        EXPECT_EQ(std::filesystem::status(path).permissions(), std::filesystem::perms::owner_all);
    }
    EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(ScratchFolder, OfAKilledProcessIsSweptUpAndOneInUseIsNot) {
    const test::TempDir dir;
    const ScratchFolder mine(real_filesystem(), dir.path());
    const pid_t child = ::fork();
    if (child == 0) {
        const ScratchFolder theirs(real_filesystem(), dir.path());
        std::ofstream(theirs.path() + "/secret") << "x";
        ::raise(SIGKILL);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    const auto count = [&] { return std::distance(std::filesystem::directory_iterator(dir.path()), {}); };
    ASSERT_EQ(count(), 2);
    sweep_scratch_folders(real_filesystem(), dir.path());
    EXPECT_EQ(count(), 1);
    EXPECT_TRUE(std::filesystem::exists(mine.path()));
}

}  // namespace
}  // namespace ingot
