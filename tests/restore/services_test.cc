#include "restore/services.h"

#include <sstream>
#include <thread>

#include "tests/restore/restore_test_base.h"

namespace ingot::test {
namespace {

// Hooks that are recorded: "drain v1", one a line. A hook named in the file `fails` fails, the first times that it says.
class ServicesTest : public RestoreTest {
protected:
    ServicesTest() {
        ServicesSpec& services = stack_.services;
        services.drain = hook("drain");
        services.stop = hook("stop") + "; touch down";
        services.checkout = hook("checkout") + "; echo \"$INGOT_VERSION\" > VERSION";
        services.start = hook("start") + "; rm -f down";
        services.undrain = hook("undrain");
        services.timeout_ms = 5'000;
        stack_.source_hooks["db"] = {hook("before_db"), hook("after_db"), 5'000};
        stack_.version_command = "cat " + dir_.at("VERSION");
        for (std::string* command : {&services.stop, &services.checkout, &services.start})
            *command = "cd " + dir_.path() + "; " + *command;
        if (SceneDir::given() == nullptr) write_file(dir_.at("VERSION"), "v1\n");
    }

    // Records itself, then fails where a file `fails.NAME` says how often, one digit.
    std::string hook(const std::string& name) const {
        const std::string file = dir_.at("fails." + name);
        return "echo \"" + name + " $INGOT_VERSION\" >> " + dir_.at("log") + "; if [ -s " + file + " ]; then n=$(cat " + file +
               "); if [ $n -gt 1 ]; then echo $((n - 1)) > " + file + "; else rm " + file + "; fi; echo \"" + name +
               " does not work\"; exit 1; fi";
    }
    void fail(const std::string& name, int times = 1) { write_file(dir_.at("fails." + name), std::to_string(times)); }
    std::vector<std::string> log() const {
        std::vector<std::string> lines;
        std::istringstream in(std::filesystem::exists(dir_.at("log")) ? read_whole(dir_.at("log")) : "");
        for (std::string line; std::getline(in, line);) lines.push_back(line);
        return lines;
    }
    std::string logged() const {
        std::string text;
        for (const std::string& line : log()) text += (text.empty() ? "" : ", ") + line;
        return text;
    }
    void forget() { std::filesystem::remove(dir_.at("log")); }
    // I8: the last stop is followed by a start, the last drain by an undrain.
    void expect_running(const std::string& where) const {
        int stopped = 0, drained = 0;
        for (const std::string& line : log()) {
            if (line.starts_with("stop ")) stopped = 1;
            if (line.starts_with("start ")) stopped = 0;
            if (line.starts_with("drain ")) drained = 1;
            if (line.starts_with("undrain ")) drained = 0;
        }
        EXPECT_EQ(stopped, 0) << where << ": stopped, and not started: " << logged();
        EXPECT_EQ(drained, 0) << where << ": drained, and not undrained: " << logged();
        EXPECT_FALSE(std::filesystem::exists(dir_.at("down"))) << where << ": " << logged();
    }
    // v1 is in the snapshot, v2 is live.
    Snapshot taken_then_changed() {
        const Snapshot snapshot = take();
        change();
        write_file(dir_.at("VERSION"), "v2\n");
        return snapshot;
    }
    std::string version() const { return read_whole(dir_.at("VERSION")); }
    void probe(const std::string& command) {
        ProbeSpec one;
        one.name = "it";
        one.target = command;
        one.timeout_ms = 100;
        one.interval_ms = 20;
        stack_.probes = {one};
    }
};

TEST_F(ServicesTest, RunInOrderAroundTheSwapWithTheVersionOfTheSnapshot) {
    const TreeState then = live();
    const Snapshot snapshot = taken_then_changed();
    probe("! test -e " + dir_.at("down"));
    const RestoreResult result = run(snapshot);
    EXPECT_EQ(logged(), "drain v1, stop v1, before_db v1, after_db v1, checkout v1, start v1, undrain v1");
    EXPECT_EQ(version(), "v1\n");
    EXPECT_EQ(difference(live(), then), "");
    std::vector<std::string> names;
    for (const RestoreStep& each : result.steps) names.push_back(each.name + (each.failed ? " failed" : ""));
    EXPECT_EQ(names, (std::vector<std::string>{"check", "stage", "drain", "stop", "before_swap db", "after_swap db", "swap",
                                               "activate", "checkout", "start", "probe it", "undrain"}));
    EXPECT_EQ(leftovers(), std::vector<std::string>{});
}

TEST_F(ServicesTest, OutageIsFromTheStartOfStopToTheEndOfStart) {
    const Snapshot snapshot = taken_then_changed();
    stack_.services.stop += "; sleep 0.1";
    stack_.services.start += "; sleep 0.1";
    const int64_t outage_ms = run(snapshot).outage_ms;
    EXPECT_GE(outage_ms, 200);
    EXPECT_LT(outage_ms, 2'000);
}

TEST_F(ServicesTest, ThatDoNotStopAreStartedAgainAndNothingIsSwapped) {
    const Snapshot snapshot = taken_then_changed();
    const TreeState now = live();
    for (const char* name : {"drain", "stop"}) {
        forget();
        fail(name);
        const Error error = error_of([&] { run(snapshot); });
        EXPECT_EQ(error.code(), Code::rolled_back) << name;
        EXPECT_NE(std::string(error.what()).find("nothing was swapped"), std::string::npos) << error.what();
        EXPECT_NE(std::string(error.what()).find(std::string(name) + " does not work"), std::string::npos) << error.what();
        expect_running(name);
        EXPECT_EQ(difference(live(), now), "") << name;
        EXPECT_EQ(leftovers(), std::vector<std::string>{}) << name;
    }
}

TEST_F(ServicesTest, WhoseEngineStoppedWithThemEndTheRestoreBeforeTheSwap) {
    const Snapshot snapshot = taken_then_changed();
    const TreeState now = live();
    FakeEngine::silent = true;
    const Error error = error_of([&] { run(snapshot); });
    EXPECT_EQ(error.code(), Code::rolled_back);
    EXPECT_NE(std::string(error.what()).find("db does not answer now that the services are stopped"), std::string::npos)
        << error.what();
    EXPECT_NE(error.hint().find("not the engines"), std::string::npos) << error.hint();
    EXPECT_EQ(logged(), "drain v1, stop v1, start v2, undrain v2");
    EXPECT_EQ(difference(live(), now), "");
    EXPECT_EQ(leftovers(), std::vector<std::string>{});
}

TEST_F(ServicesTest, WhoseTargetChangedMeanwhileAreStartedAgain) {
    const Snapshot snapshot = taken_then_changed();
    stack_.services.stop += "; echo changed > " + at("docs/a");
    const Error error = error_of([&] { run(snapshot); });
    EXPECT_EQ(error.code(), Code::rolled_back);
    expect_running("changed meanwhile");
    EXPECT_EQ(read_whole(at("docs/a")), "changed\n");
    EXPECT_EQ(leftovers(), std::vector<std::string>{});
}

TEST_F(ServicesTest, AFailedProbeTakesEverythingBack) {
    const Snapshot snapshot = taken_then_changed();
    const TreeState now = live();
    probe("echo 'nobody home' >&2; exit 1");
    const Error error = error_of([&] { run(snapshot); });
    EXPECT_EQ(error.code(), Code::rolled_back);
    EXPECT_NE(std::string(error.what()).find("nobody home"), std::string::npos) << error.what();
    EXPECT_EQ(logged(),
              "drain v1, stop v1, before_db v1, after_db v1, checkout v1, start v1, "
              "stop v2, before_db v2, after_db v2, checkout v2, start v2, undrain v2");
    EXPECT_EQ(version(), "v2\n");
    EXPECT_EQ(difference(live(), now), "");
    EXPECT_EQ(leftovers(), std::vector<std::string>{});
}

TEST_F(ServicesTest, ThatDoNotStartOnTheNewStateAreStartedOnTheOldOne) {
    const Snapshot snapshot = taken_then_changed();
    const TreeState now = live();
    fail("start");
    EXPECT_EQ(error_of([&] { run(snapshot); }).code(), Code::rolled_back);
    EXPECT_EQ(difference(live(), now), "");
    expect_running("start failed once");
    EXPECT_EQ(version(), "v2\n");
}

TEST_F(ServicesTest, ThatDoNotStartOnEitherAreNamedAndStartedByUndo) {
    const Snapshot snapshot = taken_then_changed();
    const TreeState now = live();
    fail("start", 2);
    const Error error = error_of([&] { run(snapshot); });
    EXPECT_EQ(error.code(), Code::rollback_incomplete);
    EXPECT_NE(error.hint().find("run it by hand"), std::string::npos) << error.hint();
    EXPECT_NE(error.hint().find("rm -f down"), std::string::npos) << error.hint();
    TreeState left = live();
    std::erase_if(left, [](const auto& each) { return each.first.find("/.ingot-") != std::string::npos; });
    EXPECT_EQ(difference(left, now), "") << "the old state is live all the same";
    EXPECT_TRUE(unfinished_restore(fs_, stack_.state_dir, "test"));
    EXPECT_EQ(recover(stack_, fs_, progress_, {.undo = true}).outcome, "undone");
    expect_running("undo");
    EXPECT_EQ(difference(live(), now), "");
    EXPECT_EQ(leftovers(), std::vector<std::string>{});
}

TEST_F(ServicesTest, AnUndrainThatFailsIsNamedAndTriedAgain) {
    const TreeState then = live();
    const Snapshot snapshot = taken_then_changed();
    fail("undrain");
    const Error error = error_of([&] { run(snapshot); });
    EXPECT_EQ(error.code(), Code::rollback_incomplete);
    EXPECT_NE(std::string(error.what()).find("the snapshot is live and was found good"), std::string::npos) << error.what();
    EXPECT_EQ(recover(stack_, fs_, progress_).outcome, "restored");
    expect_running("resume");
    EXPECT_EQ(difference(live(), then), "");
    EXPECT_EQ(leftovers(), std::vector<std::string>{});
}

TEST_F(ServicesTest, ASignalWhileTheyStopStartsThemAgain) {
    const Snapshot snapshot = taken_then_changed();
    const TreeState now = live();
    stack_.services.stop += "; sleep 30";
    std::thread signal([&] {
        for (int i = 0; i < 500 && !std::filesystem::exists(dir_.at("down")); ++i) ::usleep(10'000);
        set_interrupted(true);
    });
    const Error error = error_of([&] { run(snapshot); });
    signal.join();
    EXPECT_EQ(error.code(), Code::interrupted);
    expect_running("interrupted");
    EXPECT_EQ(difference(live(), now), "");
    EXPECT_EQ(leftovers(), std::vector<std::string>{});
}

TEST_F(ServicesTest, WithoutAVersionOfNowCheckoutIsRefusedBeforeAnythingIsTouched) {
    const Snapshot snapshot = taken_then_changed();
    std::filesystem::remove(dir_.at("VERSION"));
    const Error error = error_of([&] { run(snapshot); });
    EXPECT_EQ(error.code(), Code::failed);
    EXPECT_EQ(logged(), "");
    EXPECT_EQ(leftovers(), std::vector<std::string>{});
}

TEST_F(ServicesTest, AtBootAreLeftToTheMachine) {
    const Snapshot snapshot = taken_then_changed();
    const TreeState now = live();
    repository_.reset();
    ASSERT_EQ(in_own_process("ServicesTest.DISABLED_Victim", {{"INGOT_TEST_SCENE", dir_.path()},
                                                              {"INGOT_TEST_STEP_NAME", "restore.start-begun"},
                                                              {"INGOT_TEST_SNAPSHOT", snapshot.id.hex()}}),
              128 + SIGKILL);
    forget();
    const RestoreResult result = recover(stack_, fs_, progress_, {.services = false});
    EXPECT_EQ(result.outcome, "undone");
    EXPECT_EQ(result.problems.size(), 1u);
    EXPECT_EQ(logged(), "checkout v2") << "the machine starts the old version";
    TreeState left = live();
    std::erase_if(left, [](const auto& each) { return each.first.find("/.ingot-") != std::string::npos; });
    EXPECT_EQ(difference(left, now), "");
    EXPECT_TRUE(unfinished_restore(fs_, stack_.state_dir, "test"));
    EXPECT_EQ(recover(stack_, fs_, progress_).outcome, "undone");
    expect_running("after the boot");
    EXPECT_EQ(leftovers(), std::vector<std::string>{});
}

// The process that the tests kill.
TEST_F(ServicesTest, DISABLED_Victim) {
    open(LockMode::shared);
    const Snapshot snapshot = listed(RecordId::from_hex(std::getenv("INGOT_TEST_SNAPSHOT")));
    probe("test -e " + dir_.at("good"));
    if (const char* name = std::getenv("INGOT_TEST_STEP_NAME")) {
        die_at_name(name);
    } else {
        die_at_step(std::stoi(std::getenv("INGOT_TEST_STEP")));
    }
    run(snapshot);
}

// Also the recovery is killed, once, and run again.
TEST_F(ServicesTest, KilledAtAnyStepTargetsAreWhollyOneStateAndServicesRun) {
    const TreeState then = live();
    const Snapshot snapshot = taken_then_changed();
    const TreeState now = live();
    const std::string saved = dir_.at("saved");
    ASSERT_EQ(std::system(("cp -a " + root() + " " + saved).c_str()), 0);
    repository_.reset();
    std::map<std::string, int> counts;
    for (int nth = 1;; ++nth) {
        write_file(dir_.at("good"), "");
        forget();
        const int status = in_own_process("ServicesTest.DISABLED_Victim", {{"INGOT_TEST_SCENE", dir_.path()},
                                                                           {"INGOT_TEST_STEP", std::to_string(nth)},
                                                                           {"INGOT_TEST_SNAPSHOT", snapshot.id.hex()}});
        if (status == 0) break;
        ASSERT_EQ(status, 128 + SIGKILL);
        const std::string where = "killed at step " + std::to_string(nth);
        const bool good = nth % 3 != 0;
        if (!good) std::filesystem::remove(dir_.at("good"));
        probe("test -e " + dir_.at("good"));
        RecoverOptions options;
        options.undo = nth % 2 == 0;
        (void)in_child([&] {
            die_at_step(1 + nth % 9);
            recover(stack_, fs_, progress_, options);
            return 0;
        });
        const auto journal = unfinished_restore(fs_, dir_.at("state"), "test");
        const bool proven = journal && journal->state == RestoreState::proven;
        recover(stack_, fs_, progress_, options);
        expect_running(where);
        ASSERT_EQ(leftovers(), std::vector<std::string>{}) << where;
        const bool is_new = difference(live(), then).empty();
        ASSERT_TRUE(is_new || difference(live(), now).empty()) << where << "\n" << difference(live(), now);
        ASSERT_TRUE(is_new || !proven) << where;
        ASSERT_EQ(version(), is_new ? "v1\n" : "v2\n") << where << ": " << logged();
        ++counts[is_new ? "wholly new" : "wholly old"];
        ++counts["killed"];
        std::filesystem::remove_all(root());
        ASSERT_EQ(std::system(("cp -a " + saved + " " + root()).c_str()), 0);
        write_file(dir_.at("VERSION"), "v2\n");
    }
    for (const auto& [what, count] : counts) std::printf("%s: %d, ", what.c_str(), count);
    std::printf("stopped and not started: 0\n");
    EXPECT_GT(counts["wholly old"], 20);
    EXPECT_GT(counts["wholly new"], 5);
}

// Hook call n fails, for every n: once, and then also its next call.
TEST_F(ServicesTest, WhicheverHookFailsTheStateIsWholeAndTheServicesRunOrAreNamed) {
    const TreeState then = live();
    const Snapshot snapshot = taken_then_changed();
    const TreeState now = live();
    const std::string saved = dir_.at("saved");
    ASSERT_EQ(std::system(("cp -a " + root() + " " + saved).c_str()), 0);
    std::map<std::string, int> outcomes;
    for (const char* name : {"drain", "stop", "before_db", "after_db", "checkout", "start", "undrain"}) {
        for (int times = 1; times <= 3; ++times) {
            const std::string where = std::string(name) + " fails " + std::to_string(times) + " times";
            forget();
            fail(name, times);
            std::string outcome = "restored";
            try {
                run(snapshot);
            } catch (const Error& error) {
                ASSERT_TRUE(error.code() == Code::rolled_back || error.code() == Code::rollback_incomplete)
                    << where << error.what();
                EXPECT_NE(error.hint(), "") << where;
                outcome = error.code() == Code::rolled_back ? "rolled back" : "named";
            }
            if (outcome != "named") expect_running(where);
            for (int tries = 0; unfinished_restore(fs_, stack_.state_dir, "test") && tries < 5; ++tries) {
                try {
                    recover(stack_, fs_, progress_);
                } catch (const Error& error) {
                    EXPECT_EQ(error.code(), Code::rollback_incomplete) << where << error.what();
                }
            }
            expect_running(where);
            ASSERT_EQ(leftovers(), std::vector<std::string>{}) << where;
            const bool is_new = difference(live(), then).empty();
            ASSERT_TRUE(is_new || difference(live(), now).empty()) << where << difference(live(), now);
            EXPECT_EQ(version(), is_new ? "v1\n" : "v2\n") << where;
            EXPECT_TRUE(outcome != "restored" || is_new) << where;
            ++outcomes[outcome];
            std::filesystem::remove(dir_.at(std::string("fails.") + name));
            std::filesystem::remove_all(root());
            ASSERT_EQ(std::system(("cp -a " + saved + " " + root()).c_str()), 0);
            write_file(dir_.at("VERSION"), "v2\n");
        }
    }
    for (const auto& [outcome, count] : outcomes) std::printf("%d failing hooks: %s\n", count, outcome.c_str());
    EXPECT_GT(outcomes["rolled back"], 5);
    EXPECT_GT(outcomes["named"], 3);
}

}  // namespace
}  // namespace ingot::test
