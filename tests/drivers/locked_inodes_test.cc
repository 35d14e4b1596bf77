#include "drivers/locked_inodes.h"

#include <fcntl.h>
#include <sys/wait.h>

#include "tests/drivers/test_folder.h"

namespace ingot {
namespace {

bool is_open(int fd) { return ::fcntl(fd, F_GETFD) >= 0; }

int open_file(const std::string& path) { return ::open(path.c_str(), O_RDWR | O_CLOEXEC); }

InodeName inode_of(const std::string& path) {
    struct stat st {};
    EXPECT_EQ(::stat(path.c_str(), &st), 0);
    return {st.st_dev, st.st_ino};
}

// Asked from another process: a process never sees its own locks.
bool locked_for_others(const std::string& path) {
    const pid_t child = ::fork();
    if (child == 0) {
        struct flock lock {};
        lock.l_type = F_WRLCK;
        ::_exit(::fcntl(open_file(path), F_SETLK, &lock) == 0 ? 0 : 1);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return WEXITSTATUS(status) == 1;
}

TEST(LockedInodes, ALockSurvivesTheCloseOfAnotherDescriptorOfItsFile) {
    const TestFolder scratch;
    put(scratch / "db", "x");
    const int holder = open_file(scratch / "db");
    struct flock lock {};
    lock.l_type = F_WRLCK;
    ASSERT_EQ(::fcntl(holder, F_SETLK, &lock), 0);
    const int reader = open_file(scratch / "db");
    {
        const LockedInodes held({inode_of(scratch / "db")});
        close_source_file(reader);
        EXPECT_TRUE(locked_for_others(scratch / "db"));
        EXPECT_TRUE(is_open(reader));
    }
    EXPECT_FALSE(is_open(reader));
    ::close(holder);
}

TEST(LockedInodes, TheLastHoldEndsIt) {
    const TestFolder scratch;
    put(scratch / "db", "x");
    auto first = std::make_unique<LockedInodes>(std::vector<InodeName>{inode_of(scratch / "db")});
    auto second = std::make_unique<LockedInodes>(std::vector<InodeName>{inode_of(scratch / "db")});
    const int fd = open_file(scratch / "db");
    close_source_file(fd);
    first.reset();
    EXPECT_TRUE(is_open(fd));
    second.reset();
    EXPECT_FALSE(is_open(fd));
}

TEST(LockedInodes, OtherFilesAreClosedAtOnce) {
    const TestFolder scratch;
    put(scratch / "db", "x");
    put(scratch / "other", "x");
    const LockedInodes held({inode_of(scratch / "db")});
    const int fd = open_file(scratch / "other");
    close_source_file(fd);
    EXPECT_FALSE(is_open(fd));
}

}  // namespace
}  // namespace ingot
