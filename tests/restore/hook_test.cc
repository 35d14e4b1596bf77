#include "restore/hook.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <thread>

#include "base/clock.h"
#include "base/error.h"
#include "base/interrupt.h"
#include "restore/timeline.h"
#include "tests/base/temp_dir.h"

namespace ingot {
namespace {

// A dead one may wait for the init process to take notice of it.
bool runs(pid_t pid) {
    std::ifstream in("/proc/" + std::to_string(pid) + "/stat");
    std::string text;
    return std::getline(in, text) && text.find(") Z ") == std::string::npos;
}

class HookTest : public testing::Test {
protected:
    ~HookTest() override { set_interrupted(false); }

    Hook hook(const std::string& command, int64_t timeout_ms = 10'000) {
        return {.name = "stop", .command = command, .folder = dir.path(), .environment = {}, .timeout_ms = timeout_ms};
    }
    Error error_of(const Hook& each) {
        try {
            (void)runner.run(each);
        } catch (const Error& error) {
            return error;
        }
        ADD_FAILURE() << "nothing was thrown";
        return {Code::usage, ""};
    }

    TempDir dir;
    HookRunner runner{dir.at("stack.hooks")};
};

TEST_F(HookTest, GivesBackTheEndOfWhatItWrote) {
    Hook each = hook("pwd; echo \"$INGOT_VERSION\" >&2; seq 1000");
    each.environment = {{"INGOT_VERSION", "v1"}};
    const std::string tail = runner.run(each);
    EXPECT_TRUE(tail.ends_with("999\n1000")) << tail;
    EXPECT_LE(tail.size(), Timeline::kDetailBytes);
    EXPECT_EQ(runner.run(hook("pwd")), dir.path());
    EXPECT_EQ(runner.run(hook("cat")), "") << "its standard input is empty";
}

TEST_F(HookTest, ThatFailsQuotesItsLastLineAndNamesTheCommand) {
    const Error error = error_of(hook("echo first; echo 'no such container' >&2; exit 7"));
    EXPECT_EQ(error.code(), Code::failed);
    EXPECT_STREQ(error.what(), "the hook stop ended with status 7: no such container");
    EXPECT_NE(error.hint().find("exit 7"), std::string::npos) << error.hint();
}

TEST_F(HookTest, ThatHangsIsEndedWithItsChildren) {
    const int64_t started_ns = mono_now_ns();
    const Error error = error_of(hook("echo waiting; sleep 60 & echo $! > child; wait", 300));
    EXPECT_LT(mono_now_ns() - started_ns, 3'000'000'000);
    EXPECT_NE(std::string(error.what()).find("ran longer than 300 ms"), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find("waiting"), std::string::npos) << error.what();
    pid_t child = 0;
    std::ifstream(dir.at("child")) >> child;
    ASSERT_GT(child, 1);
    for (int i = 0; i < 200 && runs(child); ++i) ::usleep(5000);
    EXPECT_FALSE(runs(child)) << "its child still runs";
}

TEST_F(HookTest, WhoseChildKeepsTheOutputOpenKeepsNobodyWaiting) {
    const int64_t started_ns = mono_now_ns();
    // The child writes after the hook has ended, and lives on: there is no pipe that could be closed under it.
    (void)runner.run(hook("(sleep 0.3; echo late || echo refused; echo lived > lived; sleep 1) & echo $! > child"));
    EXPECT_LT(mono_now_ns() - started_ns, 250'000'000);
    for (int i = 0; i < 200 && !dir.has("lived"); ++i) ::usleep(10'000);
    EXPECT_TRUE(dir.has("lived")) << "it died of a closed pipe";
    pid_t child = 0;
    std::ifstream(dir.at("child")) >> child;
    if (child > 1) ::kill(child, SIGKILL);
}

TEST_F(HookTest, ThatFloodsIsEndedAtItsLimitAndFillsNoMemory) {
    const Error error = error_of(hook("yes 'the same line again and again'", 500));
    EXPECT_NE(std::string(error.what()).find("the same line"), std::string::npos) << error.what();
    EXPECT_LT(std::string(error.what()).size(), 1000u);
}

TEST_F(HookTest, IsInterruptedWhereItMayBe) {
    set_interrupted(true);
    EXPECT_EQ(runner.run(hook("echo done")), "done") << "a start is never interrupted";
    Hook each = hook("sleep 30");
    each.may_be_interrupted = true;
    EXPECT_EQ(error_of(each).code(), Code::interrupted);
}

TEST_F(HookTest, OfAProcessThatDiedIsWaitedFor) {
    EXPECT_TRUE(HookRunner(dir.at("stack.hooks")).wait_for_orphans(0));
    const pid_t pid = ::fork();
    if (pid == 0) {
        HookRunner other(dir.at("stack.hooks"));
        // Dies while its hook runs, as kill -9 would have it.
        std::thread([] {
            ::usleep(100'000);
            ::_exit(0);
        }).detach();
        (void)other.run({.name = "stop",
                         .command = "sleep 0.6; echo over > over",
                         .folder = dir.path(),
                         .environment = {},
                         .timeout_ms = 10'000});
        ::_exit(1);
    }
    int status = 0;
    ::waitpid(pid, &status, 0);
    ASSERT_EQ(status, 0);
    HookRunner next(dir.at("stack.hooks"));
    EXPECT_FALSE(next.wait_for_orphans(0));
    EXPECT_TRUE(next.wait_for_orphans(5'000));
    EXPECT_TRUE(dir.has("over"));
}

}  // namespace
}  // namespace ingot
