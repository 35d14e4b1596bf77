#include "base/process.h"

#include <dirent.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <string>

#include "base/clock.h"
#include "base/error.h"

namespace ingot {
namespace {

int open_descriptors() {
    int n = 0;
    DIR* dir = opendir("/proc/self/fd");
    while (readdir(dir) != nullptr) ++n;
    closedir(dir);
    return n;
}

Error error_of(const Command& command) {
    try {
        run(command);
    } catch (const Error& error) {
        return error;
    }
    return {Code::usage, "no Error was thrown"};
}

Code code_of(const Command& command) { return error_of(command).code(); }

TEST(Process, ReturnsOutputAndStatus) {
    const CommandResult result = run(Command::shell("echo out; echo err >&2; exit 3", ""));
    EXPECT_EQ(result.status, 3);
    EXPECT_EQ(result.out, "out\n");
    EXPECT_EQ(result.err, "err\n");
}

TEST(Process, ReportsTheSignalThatEndedIt) { EXPECT_EQ(run(Command::shell("kill -9 $$", "")).status, 128 + 9); }

TEST(Process, RunsInTheFolderWithTheEnvironmentGiven) {
    ::setenv("INGOT_TEST_KEPT", "kept", 1);
    ::setenv("INGOT_TEST_REPLACED", "old", 1);
    Command command = Command::shell("pwd; echo $INGOT_TEST_KEPT $INGOT_TEST_REPLACED", "/tmp");
    command.environment = {{"INGOT_TEST_REPLACED", "new"}};
    EXPECT_EQ(run(command).out, "/tmp\nkept new\n");
}

TEST(Process, PassesMuchInputThroughWithoutADeadlock) {
    Command command;
    command.argv = {"cat"};
    command.input.assign(3 << 20, 'x');
    command.output_limit_bytes = 10 << 20;
    EXPECT_EQ(run(command).out.size(), command.input.size());
}

TEST(Process, SurvivesAChildThatDoesNotReadItsInput) {
    Command command;
    command.argv = {"true"};
    command.input.assign(3 << 20, 'x');
    EXPECT_EQ(run(command).status, 0);
}

TEST(Process, DropsOutputBeyondTheLimit) {
    Command command = Command::shell("head -c 300000 /dev/zero; head -c 300000 /dev/zero >&2", "");
    command.output_limit_bytes = 1000;
    const CommandResult result = run(command);
    EXPECT_EQ(result.status, 0);
    EXPECT_EQ(result.out.size(), 1000u);
    EXPECT_EQ(result.err.size(), 1000u);
}

TEST(Process, KeepsTheEndOfTheErrorOutputWhereTheReasonStands) {
    Command command = Command::shell("seq 1 100000 >&2; echo 'the reason' >&2", "");
    command.output_limit_bytes = 1000;
    const CommandResult result = run(command);
    EXPECT_EQ(result.err.size(), 1000u);
    EXPECT_TRUE(result.err.ends_with("100000\nthe reason\n")) << result.err;
}

TEST(Process, ReadsItsInputFromAFileByItself) {
    FILE* file = std::tmpfile();
    std::fputs("skipped, taken", file);
    std::fflush(file);
    ::lseek(::fileno(file), 9, SEEK_SET);
    Command command;
    command.argv = {"cat"};
    command.input_fd = ::fileno(file);
    EXPECT_EQ(run(command).out, "taken");
    std::fclose(file);
}

TEST(Process, HandsOverOutputOfAnySizeAsItComes) {
    Command command = Command::shell("head -c 5000000 /dev/zero; echo end >&2", "");
    size_t handed = 0;
    command.output_to = [&](std::span<const uint8_t> bytes) { handed += bytes.size(); };
    const CommandResult result = run(command);
    EXPECT_EQ(handed, 5'000'000u);
    EXPECT_TRUE(result.out.empty());
    EXPECT_EQ(result.err, "end\n");
}

TEST(Process, ReadsOutputToItsEndWhoeverWritesIt) {
    Command command = Command::shell("(sleep 0.5; echo late) & echo early", "");
    std::string handed;
    command.output_to = [&](std::span<const uint8_t> bytes) { handed.append(bytes.begin(), bytes.end()); };
    EXPECT_EQ(run(command).status, 0);
    EXPECT_EQ(handed, "early\nlate\n");
}

TEST(Process, EndsWhatIsLeftInTheBackgroundWithTheOutputOpen) {
    Command command = Command::shell("sleep 30 & echo early", "");
    command.idle_limit_ms = 300;
    command.output_to = [](std::span<const uint8_t>) {};
    const int64_t before = mono_now_ns();
    const Error error = error_of(command);
    EXPECT_EQ(error.code(), Code::failed);
    EXPECT_NE(std::string(error.what()).find("left something in the background"), std::string::npos) << error.what();
    EXPECT_LT(mono_now_ns() - before, 5'000'000'000);
}

TEST(Process, AReaderThatThrowsEndsTheGroup) {
    Command command = Command::shell("yes", "");
    command.output_to = [](std::span<const uint8_t>) { throw Error(Code::damaged, "enough"); };
    EXPECT_EQ(code_of(command), Code::damaged);
}

TEST(Process, EndsWhatPrintsNothingForTooLong) {
    Command command = Command::shell("echo 'connecting' >&2; sleep 30", "");
    command.idle_limit_ms = 200;
    const Error error = error_of(command);
    EXPECT_EQ(error.code(), Code::failed);
    EXPECT_NE(std::string(error.what()).find("printed nothing for 200 ms and was ended; it had said: connecting"),
              std::string::npos)
        << error.what();
    command = Command::shell("for i in 1 2 3 4 5; do sleep 0.1; echo $i >&2; done", "");
    command.idle_limit_ms = 400;
    EXPECT_EQ(run(command).status, 0);
}

TEST(Process, EndsWhenItIsAskedTo) {
    Command command = Command::shell("trap '' TERM; sleep 30", "");
    command.stop_when = [asked = 0]() mutable { return ++asked > 2; };
    const int64_t before = mono_now_ns();
    EXPECT_EQ(code_of(command), Code::interrupted);
    EXPECT_LT(mono_now_ns() - before, 5'000'000'000);
}

TEST(Process, EndsTheWholeGroupAtTheTimeLimit) {
    const std::string file = "/tmp/ingot-process-test-" + std::to_string(getpid());
    Command command = Command::shell("(trap '' TERM; sleep 30 & echo $! > " + file + "; wait; sleep 30) & wait", "");
    command.limit_ms = 300;
    const int64_t before = mono_now_ns();
    EXPECT_EQ(code_of(command), Code::failed);
    EXPECT_LT(mono_now_ns() - before, 5'000'000'000);
    const std::string pid = run(Command::shell("cat " + file + "; rm " + file, "")).out;
    for (int i = 0; i < 100 && ::kill(std::stoi(pid), 0) == 0; ++i) {
        const std::string state = run(Command::shell("cut -d' ' -f3 /proc/" + std::to_string(std::stoi(pid)) + "/stat", "")).out;
        if (state == "Z\n" || state.empty()) break;
        ASSERT_LT(i, 99) << "the grandchild lives on";
    }
}

TEST(Process, DoesNotWaitForWhatIsLeftInTheBackground) {
    const int64_t before = mono_now_ns();
    EXPECT_EQ(run(Command::shell("sleep 5 & echo started", "")).out, "started\n");
    EXPECT_LT(mono_now_ns() - before, 3'000'000'000);
}

// The outputs of a program close some microseconds before it can be waited for. It ends at any point of the loop that waits for
// both.
TEST(Process, IsNotMissedWhenItEndsBetweenTwoLooks) {
    const int64_t until_ns = mono_now_ns() + 1'000'000'000;
    int64_t longest_ns = 0;
    int runs = 0;
    for (; mono_now_ns() < until_ns; ++runs) {
        Command command;
        command.argv = {"/bin/true"};
        command.limit_ms = 20'000;
        const int64_t before_ns = mono_now_ns();
        EXPECT_EQ(run(command).status, 0);
        longest_ns = std::max(longest_ns, mono_now_ns() - before_ns);
    }
    EXPECT_LT(longest_ns, 15'000'000'000) << "its end was missed, and the time limit waited for";
    std::cout << runs << " programs, the longest took " << longest_ns / 1'000'000 << " ms\n";
}

TEST(Process, GivesTheChildThreeDescriptorsAndLeavesNoneOpen) {
    const int leaked = ::dup(0);  // not close-on-exec
    const int before = open_descriptors();
    // Without a pipe: while the shell makes one, it holds a fourth.
    EXPECT_EQ(run(Command::shell("ls /proc/$$/fd; true", "")).out, "0\n1\n2\n");
    EXPECT_EQ(open_descriptors(), before);
    ::close(leaked);
}

TEST(Process, LeavesNoZombie) {
    run(Command::shell("true", ""));
    EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1);
    EXPECT_EQ(errno, ECHILD);
}

TEST(Process, BothOutputsGoToAFileThatIsGiven) {
    std::FILE* file = std::tmpfile();
    ASSERT_NE(file, nullptr);
    Command command = Command::shell("echo one; echo two >&2", "");
    command.output_fd = ::fileno(file);
    const CommandResult result = run(command);
    EXPECT_EQ(result.out + result.err, "");
    char text[16] = {};
    EXPECT_EQ(::pread(::fileno(file), text, sizeof text, 0), 8);
    EXPECT_STREQ(text, "one\ntwo\n");
    std::fclose(file);
}

TEST(Process, NamesAProgramThatIsNotThere) {
    Command command;
    command.argv = {"/nonexistent/program"};
    EXPECT_EQ(code_of(command), Code::failed);
    EXPECT_EQ(code_of(Command::shell("true", "/nonexistent/folder")), Code::failed);
}

TEST(Process, CheckedQuotesTheLastLineOfStandardError) {
    try {
        run_checked(Command::shell("echo first >&2; echo 'the reason' >&2; exit 7", ""), "the version command");
        FAIL();
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), Code::failed);
        EXPECT_NE(std::string(error.what()).find("the version command"), std::string::npos);
        EXPECT_NE(std::string(error.what()).find("status 7: the reason"), std::string::npos);
    }
}

}  // namespace
}  // namespace ingot
