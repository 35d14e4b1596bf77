#include "drivers/lease_watch.h"

#include <sys/wait.h>

#include <chrono>
#include <thread>

#include "base/clock.h"
#include "tests/drivers/test_folder.h"

namespace ingot {
namespace {

class LeaseWatchTest : public testing::Test {
protected:
    void SetUp() override { put(path_, "content"); }
    int open_file(int flags) const { return ::open(path_.c_str(), flags | O_CLOEXEC); }

    TestFolder scratch_;
    std::string path_ = scratch_ / "file";
};

TEST_F(LeaseWatchTest, AWriterWaitsUntilTheLeaseIsGivenUpAndTheWatchIsToldAtOnce) {
    const int fd = open_file(O_RDONLY);
    std::atomic<int64_t> told_ns = 0, freed_ns = 0;
    int64_t asked_ns = 0;
    {
        const LeaseWatch watch([&] {
            if (!LeaseWatch::wanted_back(fd) || told_ns != 0) return;
            told_ns = mono_now_ns();
            std::this_thread::sleep_for(std::chrono::milliseconds(60));
            freed_ns = mono_now_ns();
            LeaseWatch::give_up(fd);
        });
        ASSERT_EQ(watch.take(fd), Lease::granted);
        EXPECT_FALSE(LeaseWatch::wanted_back(fd));
        asked_ns = mono_now_ns();
        const int writer = open_file(O_WRONLY | O_TRUNC);
        const int64_t let_in_ns = mono_now_ns();
        ASSERT_GE(writer, 0);
        EXPECT_GE(let_in_ns, freed_ns.load());
        ::close(writer);
    }
    EXPECT_LT(told_ns - asked_ns, 50'000'000) << "a signal, not the look every 100 ms";
    std::printf("told after %ld us, held the writer %ld us\n", (told_ns - asked_ns) / 1000, (freed_ns - asked_ns) / 1000);
    ::close(fd);
}

TEST_F(LeaseWatchTest, ReplacingTheNameAsksNobodyAndTheOldFileStays) {
    const int fd = open_file(O_RDONLY);
    const LeaseWatch watch([] {});
    ASSERT_EQ(watch.take(fd), Lease::granted);
    put(scratch_ / "new", "other content");
    real_filesystem().rename(scratch_ / "new", path_, Rename::replace);
    EXPECT_FALSE(LeaseWatch::wanted_back(fd));
    char buffer[16] = {};
    EXPECT_EQ(::pread(fd, buffer, sizeof buffer, 0), 7);
    EXPECT_STREQ(buffer, "content");
    ::close(fd);
}

TEST_F(LeaseWatchTest, AFileThatIsOpenForWritingIsBusy) {
    const int writer = open_file(O_WRONLY);
    const int fd = open_file(O_RDONLY);
    const LeaseWatch watch([] {});
    EXPECT_EQ(watch.take(fd), Lease::busy);
    ::close(writer);
    EXPECT_EQ(watch.take(fd), Lease::granted);
    ::close(fd);
}

TEST_F(LeaseWatchTest, WithoutTheRightThereIsNone) {
    if (::geteuid() != 0) GTEST_SKIP() << "only root can become another user";
    ASSERT_EQ(::chmod(path_.c_str(), 0644), 0);
    ASSERT_EQ(::chmod(scratch_.path().c_str(), 0755), 0);
    const pid_t child = ::fork();
    if (child == 0) {
        if (::setegid(65534) != 0 || ::seteuid(65534) != 0) ::_exit(9);
        const int fd = open_file(O_RDONLY);
        const LeaseWatch watch([] {});
        ::_exit(static_cast<int>(watch.take(fd)));
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    EXPECT_EQ(WEXITSTATUS(status), static_cast<int>(Lease::not_to_be_had));
}

TEST_F(LeaseWatchTest, SeveralMayHoldLeasesOnOneFile) {
    const int first = open_file(O_RDONLY), second = open_file(O_RDONLY);
    const LeaseWatch one([] {}), two([] {});
    EXPECT_EQ(one.take(first), Lease::granted);
    EXPECT_EQ(two.take(second), Lease::granted);
    ::close(first);
    ::close(second);
}

}  // namespace
}  // namespace ingot
