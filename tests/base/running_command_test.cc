#include "base/running_command.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <functional>

#include "base/clock.h"
#include "tests/base/temp_dir.h"

namespace ingot {
namespace {

bool wait_until(const std::function<bool()>& done) {
    for (const int64_t until_ns = mono_now_ns() + 30'000'000'000; mono_now_ns() < until_ns;) {
        if (done()) return true;
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return false;
}

class RunningCommandTest : public testing::Test {
protected:
    Command shell(const std::string& text) const { return Command::shell(text, dir_.path()); }
    // The process id that the command wrote.
    pid_t pid() const {
        pid_t out = 0;
        EXPECT_TRUE(wait_until([&] { return static_cast<bool>(std::ifstream(dir_.at("pid")) >> out) && out > 0; }));
        return out;
    }
    static bool lives(pid_t pid) { return ::kill(pid, 0) == 0; }

    TempDir dir_;
};

TEST_F(RunningCommandTest, RunsUntilItIsStopped) {
    RunningCommand running(shell("echo $$ > pid; exec sleep 1000"));
    const pid_t child = pid();
    EXPECT_TRUE(lives(child));
    EXPECT_FALSE(running.ended());
    running.stop();
    EXPECT_FALSE(lives(child));
    running.stop();
}

TEST_F(RunningCommandTest, ItsEndAndItsLastWordsAreSeen) {
    RunningCommand running(shell("echo no room >&2; exit 3"));
    EXPECT_TRUE(wait_until([&] { return running.ended(); }));
    EXPECT_EQ(running.words(), "no room");
    RunningCommand silent(shell("exit 3"));
    EXPECT_TRUE(wait_until([&] { return silent.ended(); }));
    EXPECT_EQ(silent.words(), "it ended with status 3");
}

TEST_F(RunningCommandTest, DiesWithAProcessThatIsKilled) {
    const pid_t parent = ::fork();
    if (parent == 0) {
        RunningCommand running(shell("echo $$ > pid; exec sleep 1000"));
        for (;;) ::pause();
    }
    const pid_t child = pid();
    EXPECT_TRUE(lives(child));
    ::kill(parent, SIGKILL);
    ::waitpid(parent, nullptr, 0);
    EXPECT_TRUE(wait_until([&] { return !lives(child); }));
}

TEST_F(RunningCommandTest, ProgramsAreFoundByPathAndUsersGoBeforeThem) {
    EXPECT_EQ(find_program("no-such-program"), "");
    EXPECT_TRUE(find_program("sh").ends_with("/sh"));
    EXPECT_EQ(as_user({}, {"a", "b"}), (std::vector<std::string>{"a", "b"}));
    EXPECT_FALSE(Account::named("no-such-user"));
    const std::optional<Account> nobody = Account::named("nobody");
    ASSERT_TRUE(nobody);
    EXPECT_EQ(as_user(nobody, {"a"}).back(), "a");
    if (::geteuid() != 0) GTEST_SKIP() << "only root runs programs as another user";
    Command who;
    who.argv = as_user(nobody, {"id", "-un"});
    EXPECT_EQ(run(who).out, "nobody\n");
}

}  // namespace
}  // namespace ingot
