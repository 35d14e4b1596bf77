#include "drivers/command_target.h"

#include <sys/file.h>

#include <csignal>

#include "base/process.h"
#include "base/step.h"
#include "command_fixture.h"

namespace ingot {
namespace {

// An application that keeps its state in one file: `cat state` dumps it, "restore.sh" puts it back and counts how often it ran.
class CommandTargetTest : public CommandTestBase {
protected:
    CommandTargetTest() {
        put(in_stack("state"), "old");
        put(scratch_ / "staged/app.out", "new");
        spec_.options["restore"] = "echo run >> ../runs; cat > state";
    }

    std::unique_ptr<EngineTarget> target(int64_t deadline_ms = 200) {
        TargetSpec target;
        target.fs = &real_filesystem();
        target.staged_dir = scratch_ / "staged";
        target.work_dir = scratch_ / "work";
        target.deadline_ms = deadline_ms;
        return make_command_target(target, settings("cat state"), "app");
    }
    std::string state() const { return get(in_stack("state")); }
    std::string runs() const { return get(scratch_ / "runs"); }
    Error failure(const std::function<void()>& call) {
        const Error error = error_of(call);
        EXPECT_EQ(error.code(), Code::failed) << error.what();
        EXPECT_FALSE(error.hint().empty()) << error.what();
        return error;
    }
};

TEST_F(CommandTargetTest, FeedsTheSnapshotAndForUndoTheOutputOfBefore) {
    target()->preflight();
    EXPECT_FALSE(real_filesystem().exists(scratch_ / "work"));
    for (int again = 0; again < 2; ++again) target()->prepare_undo();
    EXPECT_EQ(state(), "old");
    for (int again = 0; again < 2; ++again) {
        target()->swap();
        EXPECT_EQ(state(), "new");
    }
    for (int again = 0; again < 2; ++again) {
        target()->undo();
        EXPECT_EQ(state(), "old");
    }
    EXPECT_EQ(runs(), "run\nrun\nrun\n");  // the second undo had nothing to do
}

TEST_F(CommandTargetTest, TheOldOutputMayBeKeptElsewhere) {
    EXPECT_TRUE(target()->replaced().empty());
    target()->prepare_undo();
    target()->swap();
    ASSERT_EQ(target()->replaced().size(), 1u);
    EXPECT_EQ(target()->replaced()[0].listing_path, "app.out");
    EXPECT_EQ(get(target()->replaced()[0].path), "old");
}

TEST_F(CommandTargetTest, TheOldStateIsThatOfTheFirstPreparation) {
    target()->prepare_undo();
    put(in_stack("state"), "half new");
    target()->prepare_undo();
    target()->swap();
    target()->undo();
    EXPECT_EQ(state(), "old");
}

TEST_F(CommandTargetTest, UndoWithoutASwapTouchesNothing) {
    target()->undo();
    target()->prepare_undo();
    put(in_stack("state"), "committed meanwhile");
    target()->undo();
    EXPECT_EQ(state(), "committed meanwhile");
    EXPECT_EQ(runs(), "");
}

TEST_F(CommandTargetTest, ARestoreCommandThatFailsHalfWayIsTakenBack) {
    spec_.options["restore"] = "read -r -n 3 word; printf half > state; [ $word = old ] && printf old > state";
    target()->prepare_undo();
    expect_says(failure([&] { target()->swap(); }), "the restore command of app");
    EXPECT_EQ(state(), "half");
    target()->undo();
    EXPECT_EQ(state(), "old");
}

TEST_F(CommandTargetTest, ASourceThatCannotBeDumpedIsNotOverwritten) {
    real_filesystem().remove(in_stack("state"));
    const Error error = failure([&] { target()->prepare_undo(); });
    expect_says(error, "keeping the old state of app");
    EXPECT_NE(error.hint().find("undo = \"none\" in [sources.app]"), std::string::npos) << error.hint();
    EXPECT_EQ(error_of([&] { target()->swap(); }).code(), Code::failed);
    put(in_stack("state"), "");
    expect_says(failure([&] { target()->prepare_undo(); }), "printed nothing");
    put(in_stack("state"), "mended");
    target()->prepare_undo();  // what the failed ones left does not stand in its way
    target()->swap();
    target()->undo();
    EXPECT_EQ(state(), "mended");
}

TEST_F(CommandTargetTest, WithoutUndoABrokenSourceIsOverwrittenAndCannotComeBack) {
    spec_.options["undo"] = "none";
    real_filesystem().remove(in_stack("state"));
    target()->preflight();
    target()->prepare_undo();
    target()->swap();
    EXPECT_EQ(state(), "new");
    expect_says(failure([&] { target()->undo(); }), "was not kept");
    EXPECT_EQ(state(), "new");
}

TEST_F(CommandTargetTest, AnUndoThatFailsNamesTheOldOutputAndMayBeTriedAgain) {
    spec_.options["restore"] = "test ! -e ../broken && cat > state";
    target()->prepare_undo();
    target()->swap();
    put(scratch_ / "broken", "");
    const Error error = failure([&] { target()->undo(); });
    EXPECT_NE(error.hint().find((scratch_ / "work") + "/old"), std::string::npos) << error.hint();
    EXPECT_EQ(state(), "new");
    real_filesystem().remove(scratch_ / "broken");
    target()->undo();
    EXPECT_EQ(state(), "old");
}

TEST_F(CommandTargetTest, AnOldOutputThatIsNotWhatWasKeptIsNotFed) {
    target()->prepare_undo();
    target()->swap();
    append(scratch_ / "work/old", "x");
    EXPECT_EQ(error_of([&] { target()->undo(); }).code(), Code::damaged);
    EXPECT_EQ(state(), "new");
}

TEST_F(CommandTargetTest, PreflightFindsWhatIsMissing) {
    spec_.options["restore"] = "no-such-restore -x";
    expect_says(failure([&] { target()->preflight(); }), "the restore command of app: the program \"no-such-restore\"");
    spec_.options["restore"] = "cat > state";
    spec_.options["directory"] = "gone";
    expect_says(failure([&] { target()->preflight(); }), "/gone is not there");
}

TEST_F(CommandTargetTest, WhatIsNotStagedIsNotFed) {
    target()->prepare_undo();
    real_filesystem().remove(scratch_ / "staged/app.out");
    expect_says(failure([&] { target()->swap(); }), "is not staged");
    EXPECT_EQ(state(), "old");
}

// A child process, killed at the first step of that name.
bool killed_at(const char* name, const std::function<void()>& work) {
    static const char* where = nullptr;
    where = name;
    const pid_t child = ::fork();
    if (child == 0) {
        set_step_listener([](const char* reached) {
            if (std::string_view(reached) == where) ::kill(::getpid(), SIGKILL);
        });
        work();
        ::_exit(0);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFSIGNALED(status);
}

TEST_F(CommandTargetTest, AnUndoAfterACrashAtAnyStepPutsTheOldStateBack) {
    int killed = 0;
    for (const char* step : {"restore.command.undo-saved", "restore.command.swap-begun", "restore.command.swapped"}) {
        remove_tree(real_filesystem(), scratch_.folder("work"));
        put(in_stack("state"), "old");
        ASSERT_TRUE(killed_at(step, [&] {
            target()->prepare_undo();
            target()->swap();
        })) << step;
        ++killed;
        // A crash within the undo too.
        const bool began = real_filesystem().exists(scratch_ / "work/begun");
        EXPECT_EQ(killed_at("restore.command.undone", [&] { target()->undo(); }), began) << step;
        target()->undo();
        EXPECT_EQ(state(), "old") << step;
    }
    EXPECT_EQ(killed, 3);
}

TEST_F(CommandTargetTest, NothingIsFedWhileACommandOfAKilledRestoreStillRuns) {
    spec_.options["restore"] = "echo begun > ../begun-to-write; while test ! -e ../go-on; do sleep 0.02; done; cat > state";
    // The process that restores is killed; its restore command goes on.
    const pid_t child = ::fork();
    if (child == 0) {
        target()->prepare_undo();
        target()->swap();
        ::_exit(0);
    }
    while (!real_filesystem().exists(scratch_ / "begun-to-write")) ::usleep(1000);
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    expect_says(failure([&] { target(100)->undo(); }), "is still reading");
    EXPECT_EQ(state(), "old");
    put(scratch_ / "go-on", "");
    target(10'000)->undo();
    EXPECT_EQ(state(), "old");
}

}  // namespace
}  // namespace ingot
