// What a session finds that opens after the one before it died: by power cut at any call, or by SIGKILL at any moment.
// What was acknowledged is kept outside of the repository, and must be there, whole.
#include "store/write_session_open.h"

#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <random>
#include <sstream>
#include <thread>

#include "tests/store/lossy_filesystem.h"
#include "tests/store/scenario.h"

namespace ingot {
namespace {

namespace fs = std::filesystem;
using test::drop_empty_folders;
using test::LossyFileSystem;
using test::nightly;
using test::put_back;
using test::Scenario;

class AfterACrash : public ::testing::Test {
protected:
    void make_stash() {
        fs::remove_all(dir_ / "stash");
        fs::create_directory(dir_ / "stash");
    }
    // How many of the names that no sync made durable the cut keeps: none, all, or the first few, as a journal would.
    static uint64_t kept(uint64_t variant, uint64_t n) { return variant == 0 ? 0 : variant == 1 ? UINT64_MAX : 1 + n % 4; }

    test::TempDir dir_{test::fast_folder()};
    Scenario scenario_{dir_ / "repo", dir_ / "state"};
};

TEST_F(AfterACrash, InitIsDoneOrCanBeDoneAgain) {
    size_t cuts = 0, whole = 0;
    for (const bool in_folder : {false, true}) {
        for (uint64_t variant = 0; variant < 3; ++variant) {
            const uint64_t kFolders = 262, stride = nightly() ? 1 : 87, later_stride = nightly() || variant == 0 ? 1 : 2;
            bool died = true;
            // The many folders of packs at first, then each of the calls that follow them.
            for (uint64_t n = 1; died; n = n < kFolders ? std::min(n + stride, kFolders) : n + later_stride) {
                fs::remove_all(scenario_.path());
                fs::remove_all(scenario_.state());
                make_stash();
                if (in_folder) fs::create_directory(scenario_.path());
                LossyFileSystem lossy;
                lossy.crash(n, kept(variant, n), dir_ / "stash");
                const auto code = code_of([&] { scenario_.init(lossy); });
                died = lossy.crashed();
                const std::string when = fmt::format("init cut at call {}, variant {}", n, variant);
                EXPECT_EQ(code.has_value(), died);
                const auto opened = code_of([&] { scenario_.open(real_filesystem()); });
                EXPECT_TRUE(!opened || (died && opened == Code::no_repository)) << when;
                if (opened)
                    EXPECT_EQ(code_of([&] { scenario_.init(real_filesystem()); }), std::nullopt) << when;
                else
                    ++whole;
                drop_empty_folders(scenario_.path());
                scenario_.expect_usable({}, when);
                cuts += died ? 1U : 0U;
            }
        }
    }
    fmt::print("init: {} power cuts, {} of them found a whole repository\n", cuts, whole);
}

TEST_F(AfterACrash, ACutRightAfterTheCommitTakesNothing) {
    scenario_.init(real_filesystem());
    for (uint64_t round = 0; round < 4; ++round) {
        make_stash();
        LossyFileSystem lossy;
        lossy.crash(UINT64_MAX / 2, 0, dir_ / "stash");
        if (round == 3) lossy.ignore_folder_syncs();
        const RecordId id = scenario_.session(lossy, round);
        lossy.cut();
        std::vector<RecordId> live;
        const auto code =
            code_of([&] { live = scenario_.open(real_filesystem(), LockMode::shared)->records(RecordKind::manifest); });
        const bool there = !code && std::ranges::count(live, id) == 1;
        EXPECT_EQ(there, round < 3) << "and the simulation is worth something: without syncs of folders it is lost";
    }
}

// RocksDB does its own writing: its folder is taken as the dying process left it, as it was before the session, or as gone.
TEST_F(AfterACrash, WhatWasAcknowledgedIsThere) {
    scenario_.init(real_filesystem());
    drop_empty_folders(scenario_.path());
    std::vector<RecordId> acknowledged;
    size_t cuts = 0, commits = 0, unreported = 0;
    for (uint64_t round = 1; round <= 2; ++round) {
        put_back(scenario_.path(), dir_ / "template");
        if (round == 1) fs::create_directory(scenario_.state());
        put_back(scenario_.state(), dir_ / "template-state");
        bool died = true;
        for (uint64_t n = 1; died; ++n) {
            for (uint64_t variant = 0; variant < 3; ++variant) {
                for (uint64_t index = 0; index < 3; ++index) {
                    if (!nightly() && (variant != n % 3 || index != n / 3 % 3)) continue;
                    put_back(dir_ / "template", scenario_.path());
                    put_back(dir_ / "template-state", scenario_.state());
                    make_stash();
                    std::vector<RecordId> expected = acknowledged;
                    LossyFileSystem lossy;
                    lossy.crash(n, kept(variant, n), dir_ / "stash");
                    // Two commits in one life: the cut of the second must not touch the first.
                    code_of([&] {
                        const auto repository = scenario_.open(lossy);
                        expected.push_back(Scenario::session(*repository, 10 * round));
                        expected.push_back(Scenario::session(*repository, 10 * round + 1));
                    });
                    died = lossy.crashed();
                    if (index > 0) fs::remove_all(scenario_.path() + "/index");
                    if (index == 2 && fs::exists(dir_ / "template/index"))
                        put_back(dir_ / "template/index", scenario_.path() + "/index");
                    const std::string when = fmt::format("session cut at call {}, variant {}, index {}", n, variant, index);
                    ASSERT_NO_THROW({
                        unreported +=
                            Scenario::expect_whole(*scenario_.open(real_filesystem(), LockMode::shared), expected, when) -
                            expected.size();
                        scenario_.expect_usable(expected, when);
                    }) << when;
                    cuts += died ? 1U : 0U;
                    commits += expected.size() - acknowledged.size();
                }
            }
        }
        put_back(dir_ / "template", scenario_.path());
        put_back(dir_ / "template-state", scenario_.state());
        acknowledged.push_back(scenario_.session(real_filesystem(), round));
    }
    fmt::print(
        "sessions: {} power cuts, {} commits acknowledged before them, {} unacknowledged ones found whole, acknowledged ones "
        "lost: 0\n",
        cuts, commits, unreported);
}

// The child of the test below: commits until it is killed, and says each record's id once commit() returned.
TEST(DISABLED_KillTarget, CommitsUntilItIsKilled) {
    const char* folder = std::getenv("INGOT_KILL_FOLDER");
    if (folder == nullptr) return;
    const Scenario scenario(std::string(folder) + "/repo", std::string(folder) + "/state");
    const auto say = [](const std::string& line) { (void)!::write(3, line.data(), line.size()); };
    std::string message;
    code_of(
        [&] {
            say("ready\n");
            std::random_device random;
            for (;;) {
                const auto repository = scenario.open(real_filesystem());
                for (int i = 0; i < 3; ++i) say(Scenario::session(*repository, random()).hex() + "\n");
            }
        },
        &message);
    say("error " + message + "\n");
}

TEST_F(AfterACrash, KilledAtAnyMomentNothingAcknowledgedIsLost) {
    scenario_.init(real_filesystem());
    std::mt19937_64 random(std::random_device{}());
    std::vector<RecordId> acknowledged;
    const size_t rounds = nightly() ? 400 : 40;
    size_t unreported = 0;
    for (size_t round = 0; round < rounds; ++round) {
        int pipe[2];
        ASSERT_EQ(::pipe2(pipe, O_CLOEXEC), 0);
        posix_spawn_file_actions_t actions;
        posix_spawn_file_actions_init(&actions);
        posix_spawn_file_actions_adddup2(&actions, pipe[1], 3);
        posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
        std::string self = fs::read_symlink("/proc/self/exe").string(), filter = "--gtest_filter=DISABLED_KillTarget.*",
                    also = "--gtest_also_run_disabled_tests";
        ::setenv("INGOT_KILL_FOLDER", dir_.path().c_str(), 1);
        char* const arguments[] = {self.data(), filter.data(), also.data(), nullptr};
        pid_t child = 0;
        ASSERT_EQ(::posix_spawn(&child, self.c_str(), &actions, nullptr, arguments, environ), 0);
        ::unsetenv("INGOT_KILL_FOLDER");
        posix_spawn_file_actions_destroy(&actions);
        ::close(pipe[1]);
        std::string said;
        char byte = 0;
        // From its start, or from its first or second commit on, however slow the machine.
        const auto lines = [&] { return std::ranges::count(said, '\n'); };
        while (lines() < 1 + static_cast<ptrdiff_t>(round % 3) && ::read(pipe[0], &byte, 1) == 1) said += byte;
        ASSERT_TRUE(said.starts_with("ready\n")) << said;
        std::this_thread::sleep_for(std::chrono::microseconds(1000 + random() % 59'000));
        ::kill(child, SIGKILL);
        ::waitpid(child, nullptr, 0);
        while (::read(pipe[0], &byte, 1) == 1) said += byte;
        ::close(pipe[0]);
        std::vector<RecordId> fresh;
        std::istringstream words(said.substr(std::strlen("ready\n"), said.rfind('\n') - std::strlen("ready")));
        for (std::string line; std::getline(words, line);) {
            ASSERT_FALSE(line.starts_with("error")) << line;
            fresh.push_back(RecordId::from_hex(line));
        }
        const auto repository = scenario_.open(real_filesystem(), round % 2 == 0 ? LockMode::shared : LockMode::append);
        const auto ids = repository->records(RecordKind::manifest);
        const std::set<RecordId> live(ids.begin(), ids.end());
        for (const RecordId& id : fresh) Scenario::expect_record(*repository, id, fmt::format("killed in round {}", round));
        acknowledged.insert(acknowledged.end(), fresh.begin(), fresh.end());
        for (const RecordId& id : acknowledged) EXPECT_TRUE(live.contains(id)) << "round " << round;
        unreported = live.size() - acknowledged.size();
    }
    scenario_.expect_usable(acknowledged, "after all kills");
    fmt::print("{} kills, {} commits acknowledged, {} more found whole, acknowledged ones lost: 0\n", rounds, acknowledged.size(),
               unreported);
}

}  // namespace
}  // namespace ingot
