#include "snapshot/guard.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <set>
#include <thread>

#include "base/error.h"
#include "base/interrupt.h"
#include "tests/base/temp_dir.h"

namespace ingot {
namespace {

// Commands write what they do into the file `log`.
class Guard : public testing::Test {
protected:
    BarrierSpec barrier() const { return {"echo pause >> log", "echo resume >> log", 10'000}; }
    std::string log() const { return dir_.has("log") ? dir_.read("log") : ""; }
    // The log, once it has grown to this, or after a while.
    std::string log_when(const std::string& wanted) const {
        for (int i = 0; i < 500 && log() != wanted; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
        return log();
    }
    // Runs `work` in a child that is killed by SIGKILL in the end.
    template <class Work>
    void killed(const Work& work) {
        const pid_t pid = ::fork();
        if (pid == 0) {
            work();
            ::kill(::getpid(), SIGKILL);
        }
        int status = 0;
        ASSERT_EQ(::waitpid(pid, &status, 0), pid);
        ASSERT_TRUE(WIFSIGNALED(status));
    }

    TempDir dir_;
};

TEST_F(Guard, PausesAndResumesOnce) {
    PauseGuard guard(barrier(), dir_.path());
    EXPECT_EQ(log(), "pause\n");
    const int64_t within = mono_now_ns();
    const PauseReport report = guard.resume();
    EXPECT_EQ(log(), "pause\nresume\n");
    EXPECT_EQ(report.resume_status, 0);
    EXPECT_FALSE(report.by_deadline);
    EXPECT_TRUE(report.encloses(within, within));
    EXPECT_FALSE(report.encloses(within, mono_now_ns()));
    EXPECT_FALSE(report.encloses(report.paused.mono_ns - 1, within));
    EXPECT_LE(report.paused.mono_ns, report.resumed.mono_ns);
    EXPECT_GE(report.pause_ms, 0);
    guard.resume();
    EXPECT_EQ(log(), "pause\nresume\n");
    EXPECT_EQ(resume_problem(report, barrier()), "");
}

TEST_F(Guard, ResumesWhenItIsDestroyed) {
    { const PauseGuard guard(barrier(), dir_.path()); }
    EXPECT_EQ(log(), "pause\nresume\n");
}

TEST_F(Guard, ResumesWhenTheProcessIsKilledDuringTheSnapshot) {
    killed([&] { new PauseGuard(barrier(), dir_.path()); });
    EXPECT_EQ(log_when("pause\nresume\n"), "pause\nresume\n");
}

TEST_F(Guard, EndsThePauseCommandAndThenResumesWhenTheProcessIsKilledDuringThePause) {
    BarrierSpec slow = barrier();
    slow.pause = "echo begun >> log; kill -9 $(cat pid); sleep 3; echo paused >> log";
    killed([&] {
        dir_.write("pid", std::to_string(::getpid()));
        new PauseGuard(slow, dir_.path());
    });
    EXPECT_EQ(log_when("begun\nresume\n"), "begun\nresume\n");
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    EXPECT_EQ(log(), "begun\nresume\n");
}

TEST_F(Guard, ResumesByDeadlineAndSaysSo) {
    BarrierSpec soon = barrier();
    soon.max_pause_ms = 1000;
    PauseGuard guard(soon, dir_.path());
    EXPECT_EQ(log_when("pause\nresume\n"), "pause\nresume\n");
    const int64_t late = mono_now_ns();
    const PauseReport report = guard.resume();
    EXPECT_TRUE(report.by_deadline);
    EXPECT_FALSE(report.encloses(report.paused.mono_ns, late));
    EXPECT_EQ(log(), "pause\nresume\n");
}

TEST_F(Guard, APauseThatFailsIsResumedAndReported) {
    BarrierSpec failing = barrier();
    failing.pause = "echo half >> log; echo 'no such endpoint' >&2; exit 22";
    try {
        PauseGuard guard(failing, dir_.path());
        FAIL();
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), Code::failed);
        EXPECT_EQ(std::string(error.what()),
                  "the pause command ended with status 22: no such endpoint; the writers were resumed; nothing was stored");
    }
    EXPECT_EQ(log(), "half\nresume\n");
}

TEST_F(Guard, APauseThatHangsIsEndedBeforeTheResume) {
    BarrierSpec hanging = barrier();
    hanging.pause = "echo begun >> log; sleep 60; echo paused >> log";
    hanging.max_pause_ms = 150;
    try {
        PauseGuard guard(hanging, dir_.path());
        FAIL();
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), Code::failed);
        EXPECT_NE(std::string(error.what()).find("ran longer than max_pause (150 ms)"), std::string::npos);
    }
    EXPECT_EQ(log(), "begun\nresume\n");
}

TEST_F(Guard, AResumeThatFailsIsTriedAgainAndShouted) {
    BarrierSpec failing = barrier();
    failing.resume = "echo try >> log; echo 'connection refused'; exit 7";
    PauseGuard guard(failing, dir_.path());
    const PauseReport report = guard.resume();
    EXPECT_EQ(report.resume_status, 7);
    EXPECT_EQ(report.resume_output, "connection refused");
    EXPECT_EQ(log(), "pause\ntry\ntry\ntry\n");
    EXPECT_NE(resume_problem(report, failing).find("THE WRITERS MAY STILL BE PAUSED"), std::string::npos);
}

TEST_F(Guard, AResumeThatFailsOnceIsEnough) {
    BarrierSpec flaky = barrier();
    flaky.resume = "echo try >> log; test -e once || { touch once; exit 1; }";
    PauseGuard guard(flaky, dir_.path());
    EXPECT_EQ(guard.resume().resume_status, 0);
    EXPECT_EQ(log(), "pause\ntry\ntry\n");
}

TEST_F(Guard, ASignalDuringThePauseEndsIt) {
    BarrierSpec hanging = barrier();
    hanging.pause = "sleep 60";
    set_interrupted(true);
    try {
        PauseGuard guard(hanging, dir_.path());
        FAIL();
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), Code::interrupted);
    }
    set_interrupted(false);
    EXPECT_EQ(log(), "resume\n");
}

TEST_F(Guard, HoldsNoDescriptorAndNoLockOfThisProcess) {
    dir_.write("locked", "");
    const int fd = ::open(dir_.at("locked").c_str(), O_RDWR);  // not close-on-exec
    struct flock lock {};
    lock.l_type = F_WRLCK;
    ASSERT_EQ(::fcntl(fd, F_OFD_SETLK, &lock), 0);
    PauseGuard guard(barrier(), dir_.path());
    std::set<std::string> links;
    const std::string proc = "/proc/" + std::to_string(guard.pid()) + "/fd";
    real_filesystem().list(proc, [&](const std::string& name) {
        std::array<char, 256> link{};
        ASSERT_GT(::readlink((proc + "/" + name).c_str(), link.data(), link.size() - 1), 0);
        links.insert(std::string(link.data()).substr(0, 6));
    });
    EXPECT_EQ(links, (std::set<std::string>{"/dev/n", "pipe:[", "/memfd"}));
    ::close(fd);
    const int again = ::open(dir_.at("locked").c_str(), O_RDWR | O_CLOEXEC);
    EXPECT_EQ(::fcntl(again, F_OFD_SETLK, &lock), 0) << "the guard holds the lock";
    ::close(again);
}

TEST_F(Guard, ResumesItselfWhenSomebodyKillsTheGuard) {
    PauseGuard guard(barrier(), dir_.path());
    ::kill(guard.pid(), SIGKILL);
    const PauseReport report = guard.resume();
    EXPECT_EQ(report.resume_status, 0);
    EXPECT_FALSE(report.encloses(report.resumed.mono_ns, report.resumed.mono_ns));
    EXPECT_EQ(log(), "pause\nresume\n");
}

TEST_F(Guard, SignalsToTheTerminalsGroupDoNotStopIt) {
    PauseGuard guard(barrier(), dir_.path());
    for (const int signal : {SIGINT, SIGTERM, SIGHUP}) ::kill(guard.pid(), signal);
    EXPECT_EQ(guard.resume().resume_status, 0);
    EXPECT_EQ(log(), "pause\nresume\n");
}

TEST_F(Guard, LeavesNoZombieAndNoDescriptor) {
    const auto count = [] {
        int n = 0;
        real_filesystem().list("/proc/self/fd", [&](const std::string&) { ++n; });
        return n;
    };
    const int before = count();
    { const PauseGuard guard(barrier(), dir_.path()); }
    EXPECT_EQ(count(), before);
    EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1);
}

}  // namespace
}  // namespace ingot
