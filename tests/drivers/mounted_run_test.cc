#include "drivers/mounted_run.h"

#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "test_folder.h"

namespace ingot {
namespace {

class MountedRunTest : public testing::Test {
protected:
    MountedRunTest() {
        put(live_ + "/conf", "live\n");
        put(live_ + "/log", "line\n");
        put(staged_, "staged\n");
        put(empty_, "");
    }
    static Command shell(const std::string& text) {
        Command command;
        command.argv = {"/bin/sh", "-c", text};
        return command;
    }
    std::vector<Mount> mounts() const { return {{staged_, live_ + "/conf"}, {empty_, live_ + "/log"}}; }

    TestFolder folder_;
    std::string live_ = folder_.folder("live"), staged_ = folder_ / "staged", empty_ = folder_ / "empty";
};

TEST_F(MountedRunTest, TheProgramSeesTheMountsAndNobodyElseDoes) {
    const MountedResult done = run_mounted(mounts(), shell("cat conf log; echo more >> log; echo no >&2; exit 3"));
    if (!done.unavailable.empty()) GTEST_SKIP() << done.unavailable;
    EXPECT_NE(done.result.err, "");  // the folder is / unless it is said
    Command command = shell("cat conf log; echo more >> log; echo no >&2; exit 3");
    command.folder = live_;
    const MountedResult again = run_mounted(mounts(), command);
    EXPECT_EQ(again.result.out, "staged\n");
    EXPECT_EQ(again.result.err, "no\n");
    EXPECT_EQ(again.result.status, 3);
    EXPECT_EQ(get(live_ + "/conf"), "live\n");
    EXPECT_EQ(get(live_ + "/log"), "line\n");
    EXPECT_EQ(get(empty_), "more\n");
}

TEST_F(MountedRunTest, AMountThatFailsStartsNothingUnlessItMay) {
    std::vector<Mount> mounts = {{folder_ / "gone", live_ + "/conf", false}};
    const MountedResult failed = run_mounted(mounts, shell("echo started"));
    EXPECT_FALSE(failed.unavailable.empty());
    EXPECT_EQ(failed.result.out, "");
    mounts[0].may_fail = true;
    const MountedResult went_on = run_mounted(mounts, shell("echo started"));
    if (!went_on.unavailable.empty()) GTEST_SKIP() << went_on.unavailable;
    EXPECT_EQ(went_on.result.out, "started\n");
}

TEST_F(MountedRunTest, AProgramThatHangsIsEndedWithAllThatItStarted) {
    Command command = shell("echo $$ > " + folder_.path() + "/pid; sleep 100 & sleep 100");
    command.limit_ms = 300;
    if (const auto probe = run_mounted({}, shell(":")); !probe.unavailable.empty()) GTEST_SKIP() << probe.unavailable;
    const int64_t began = mono_now_ns();
    const Error error = error_of([&] { run_mounted({}, command); });
    EXPECT_NE(std::string(error.what()).find("ran longer than 300 ms"), std::string::npos) << error.what();
    EXPECT_LT(mono_now_ns() - began, 5'000'000'000);
    const pid_t group = std::stoi(get(folder_ / "pid"));
    // A process that nobody has waited for yet has ended all the same.
    const auto running = [&] {
        int count = 0;
        real_filesystem().list("/proc", [&](const std::string& name) {
            if (name.find_first_not_of("0123456789") != std::string::npos) return;
            const std::string stat = get("/proc/" + name + "/stat");
            const size_t at = stat.rfind(") ");
            char state = 'Z';
            int parent = 0, process_group = 0;
            if (at != std::string::npos && std::sscanf(stat.c_str() + at + 2, "%c %d %d", &state, &parent, &process_group) == 3)
                count += process_group == group && state != 'Z' && state != 'X' ? 1 : 0;
        });
        return count;
    };
    for (int i = 0; i < 1000 && running() > 0; ++i) ::usleep(1000);
    EXPECT_EQ(running(), 0);
}

TEST_F(MountedRunTest, AProgramThatIsNotThereIsAnError) {
    Command command;
    command.argv = {"/nowhere/nginx"};
    if (const auto probe = run_mounted({}, shell(":")); !probe.unavailable.empty()) GTEST_SKIP() << probe.unavailable;
    EXPECT_EQ(error_of([&] { run_mounted({}, command); }).code(), Code::failed);
}

TEST_F(MountedRunTest, OutputIsCutAtItsLimit) {
    Command command = shell("head -c 100000 /dev/zero");
    command.output_limit_bytes = 1000;
    const MountedResult done = run_mounted({}, command);
    if (!done.unavailable.empty()) GTEST_SKIP() << done.unavailable;
    EXPECT_EQ(done.result.out.size(), 1000U);
}

// Another user than root gets its mounts within a user namespace, or a reason; never a program that sees the live files.
TEST_F(MountedRunTest, AnOrdinaryUserSeesTheMountsTooOrIsToldWhyNot) {
    if (::geteuid() != 0) GTEST_SKIP() << "all tests run as an ordinary user already";
    for (const std::string& path : {folder_.path(), live_, live_ + "/log", empty_}) ASSERT_EQ(::chmod(path.c_str(), 0777), 0);
    const pid_t child = ::fork();
    if (child == 0) {
        // Undumpable from here on, as a process with keys in its memory makes itself.
        if (::setgid(65534) != 0 || ::setuid(65534) != 0 || ::prctl(PR_SET_DUMPABLE, 0) != 0) ::_exit(10);
        Command command = shell("cat conf; id -u");
        command.folder = live_;
        try {
            const MountedResult done = run_mounted({{staged_, live_ + "/conf"}}, command);
            if (!done.unavailable.empty()) ::_exit(done.result.out.empty() ? 77 : 11);
            ::_exit(done.result.out == "staged\n65534\n" ? 0 : 12);
        } catch (const Error&) {
            ::_exit(13);
        }
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77) GTEST_SKIP() << "this kernel gives ordinary users no namespaces";
    EXPECT_EQ(WEXITSTATUS(status), 0);
}

}  // namespace
}  // namespace ingot
