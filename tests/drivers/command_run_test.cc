#include "drivers/command_run.h"

#include <csignal>

#include "base/interrupt.h"
#include "command_fixture.h"

namespace ingot {
namespace {

class CommandRunTest : public CommandTestBase {
protected:
    // Runs it to its end. Returns what it printed; the error is require_good()'s.
    std::string printed(const std::string& snapshot) {
        const CommandSettings set = settings(snapshot);
        CommandRun run(set, "the snapshot command", spec_.spool_dir);
        run.wait_for_end();
        run.require_good();
        std::string out(run.output().size(), '\0');
        run.output().read_at(0, {reinterpret_cast<uint8_t*>(out.data()), out.size()});
        return out;
    }
    Error failure(const std::string& snapshot) {
        const Error error = error_of([&] { printed(snapshot); });
        EXPECT_EQ(error.code(), Code::source) << error.what();
        EXPECT_FALSE(error.hint().empty());
        return error;
    }
};

TEST_F(CommandRunTest, SpoolsWhatTheCommandPrintsInTheSourcesDirectory) {
    EXPECT_EQ(printed("echo one; pwd"), "one\n" + spec_.root + "\n");
    EXPECT_EQ(printed("head -c 3000000 /dev/zero").size(), 3'000'000u);
    real_filesystem().list(spec_.spool_dir, [](const std::string& name) { ADD_FAILURE() << "left behind: " << name; });
}

TEST_F(CommandRunTest, AFailingCommandIsASourceErrorThatQuotesWhatItSaidLast) {
    const Error error = failure("echo half; printf 'one\\ntwo\\n\\nthree\\nfour\\n' >&2; exit 3");
    expect_says(error, "ended with status 3: two; three; four");
    EXPECT_NE(error.hint().find("run it by hand in " + spec_.root), std::string::npos) << error.hint();
    EXPECT_NE(failure("kill -9 $$").hint().find("killed"), std::string::npos);
    EXPECT_NE(failure("no-such-program-of-ours").hint().find("install"), std::string::npos);
}

TEST_F(CommandRunTest, TheStatusOfEveryProgramOfAPipeCounts) {
    ASSERT_TRUE(shell_sees_pipes());
    expect_says(failure("(echo half; exit 4) | cat"), "status 4");
}

TEST_F(CommandRunTest, PrintingNothingIsAFailureUnlessItIsAllowed) {
    expect_says(failure("echo 'no such table' >&2"), "printed nothing: no such table");
    spec_.options["allow_empty"] = "true";
    EXPECT_EQ(printed("true"), "");
}

TEST_F(CommandRunTest, ACommandThatHangsIsEndedAtItsLimits) {
    spec_.options["idle_timeout"] = "200ms";
    expect_says(failure("echo begun; sleep 30"), "printed nothing for 200 ms and was ended");
    spec_.options = {{"timeout", "300ms"}};
    expect_says(failure("while :; do echo again; done"), "ran longer than 300 ms");
}

TEST_F(CommandRunTest, AFloodOfErrorOutputNeitherBlocksNorFillsMemory) {
    spec_.options["timeout"] = "400ms";
    const Error error = failure("yes 'this is an error' >&2");
    expect_says(error, "ran longer than 400 ms and was ended; it had said: this is an error");
    EXPECT_LT(std::string(error.what()).size(), 500u);
    EXPECT_EQ(printed("head -c 3000000 /dev/zero >&2; echo kept"), "kept\n");
}

TEST_F(CommandRunTest, TheFirstByteIsToldWhileTheRestIsStillPrinted) {
    const CommandSettings set = settings("sleep 0.1; echo first; sleep 0.3; echo last");
    CommandRun run(set, "the snapshot command", spec_.spool_dir);
    const Moment first = run.wait_for_first_byte();
    EXPECT_FALSE(run.ended());
    EXPECT_GE(first.mono_ns - run.started().mono_ns, 100'000'000);
    const Moment end = run.wait_for_end();
    EXPECT_GE(end.mono_ns - first.mono_ns, 250'000'000);
    EXPECT_EQ(run.wait_for_first_byte().mono_ns, first.mono_ns);
    EXPECT_EQ(run.output().size(), 11u);
    EXPECT_FALSE(run.failed_by_itself());
}

TEST_F(CommandRunTest, ACommandWithoutOutputHasItsFirstByteAtItsEnd) {
    const CommandSettings set = settings("exit 1");
    CommandRun run(set, "the snapshot command", spec_.spool_dir);
    run.wait_for_first_byte();
    EXPECT_TRUE(run.ended());
    EXPECT_TRUE(run.failed_by_itself());
}

TEST_F(CommandRunTest, DestroyingARunEndsItsCommand) {
    const CommandSettings set = settings("echo $$; exec sleep 30");
    pid_t pid = 0;
    const int64_t before = mono_now_ns();
    {
        CommandRun run(set, "the snapshot command", spec_.spool_dir);
        run.wait_for_first_byte();
        std::string text(run.output().size(), '\0');
        run.output().read_at(0, {reinterpret_cast<uint8_t*>(text.data()), text.size()});
        pid = std::stoi(text);
        EXPECT_EQ(::kill(pid, 0), 0);
    }
    EXPECT_EQ(::kill(pid, 0), -1);
    EXPECT_LT(mono_now_ns() - before, 5'000'000'000);
}

TEST_F(CommandRunTest, AnInterruptEndsIt) {
    const CommandSettings set = settings("sleep 30");
    CommandRun run(set, "the snapshot command", spec_.spool_dir);
    set_interrupted(true);
    run.wait_for_end();
    set_interrupted(false);
    EXPECT_EQ(error_of([&] { run.require_good(); }).code(), Code::interrupted);
}

TEST_F(CommandRunTest, WhatItSaidThoughItEndedWellIsKept) {
    const CommandSettings set = settings("echo data; echo 'Warning: column statistics' >&2");
    CommandRun run(set, "the snapshot command", spec_.spool_dir);
    run.wait_for_end();
    run.require_good();
    EXPECT_EQ(run.warnings(), "Warning: column statistics");
}

TEST_F(CommandRunTest, ProgramsAreLookedForBeforeTheyAreNeeded) {
    const CommandSettings set = settings("true");
    const auto missing = [&](const std::string& text) {
        return error_of([&] { require_runnable(set, text, "the snapshot command", Code::source); });
    };
    expect_says(missing("no-such-dump --all"), "the program \"no-such-dump\" is not there");
    expect_says(missing("/no/such/dump"), "\"/no/such/dump\"");
    EXPECT_FALSE(missing("no-such-dump;true").hint().empty());
    put(in_stack("dump.sh"), "#!/bin/sh\n");
    expect_says(missing("./dump.sh"), "\"./dump.sh\"");
    ASSERT_EQ(::chmod(in_stack("dump.sh").c_str(), 0755), 0);
    for (const std::string text : {"./dump.sh", "cat x | y", "cd x && y", "if true; then x; fi", "A=1 no-such", "$TOOL x",
                                   "  echo", "{ a; }", "'quoted program' x", "time x", ""}) {
        EXPECT_NO_THROW(require_runnable(set, text, "the snapshot command", Code::source)) << text;
    }
    spec_.options["directory"] = "gone";
    const CommandSettings gone = settings("true");
    expect_says(error_of([&] { require_runnable(gone, "true", "the snapshot command", Code::failed); }), "/gone is not there");
    put(in_stack("gone"), "a file");
    expect_says(error_of([&] { require_runnable(gone, "true", "the snapshot command", Code::failed); }), "no folder");
}

TEST_F(CommandRunTest, ACommandGetsAFileOnItsStandardInput) {
    const CommandSettings set = settings("true");
    FILE* file = std::tmpfile();
    std::fputs("the artifact", file);
    std::rewind(file);
    EXPECT_EQ(run_on_file(set, "cat; pwd", "the check", ::fileno(file), Code::damaged).out, "the artifact" + spec_.root + "\n");
    const Error error = error_of([&] { run_on_file(set, "echo no >&2; false", "the check", ::fileno(file), Code::damaged); });
    EXPECT_EQ(error.code(), Code::damaged);
    expect_says(error, "the check \"echo no >&2; false\" ended with status 1: no");
    std::fclose(file);
}

TEST(LastWords, AreTheLastLinesOnOneLine) {
    EXPECT_EQ(last_words(""), "");
    EXPECT_EQ(last_words("one\r\n"), "one");
    EXPECT_EQ(last_words("1\n2\n3\n4"), "2; 3; 4");
    EXPECT_EQ(last_words("\n\n \n"), "");
    EXPECT_EQ(last_words("a\x07"), "a\\x07");
    EXPECT_EQ(last_words(std::string(5000, 'x')).size(), 403u);
}

}  // namespace
}  // namespace ingot
