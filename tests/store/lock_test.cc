#include "store/lock.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <thread>

#include "base/interrupt.h"
#include "tests/store/code_of.h"
#include "tests/support/temp_dir.h"

namespace ingot {
namespace {

constexpr std::array kModes = {LockMode::shared, LockMode::append, LockMode::exclusive};

bool together(LockMode a, LockMode b) {
    if (a == LockMode::exclusive || b == LockMode::exclusive) return false;
    return a == LockMode::shared || b == LockMode::shared;
}

// Another process that holds the lock until it is told to go, or killed.
class Holder {
public:
    Holder(const std::string& path, LockMode mode) {
        int ready[2], go[2];
        if (::pipe(ready) != 0 || ::pipe(go) != 0) throw std::runtime_error("no pipe");
        pid_ = ::fork();
        if (pid_ == 0) {
            ::close(go[1]);
            const Lock lock(path, mode, 0);
            char byte = 1;
            (void)!::write(ready[1], &byte, 1);
            (void)!::read(go[0], &byte, 1);
            ::_exit(0);
        }
        ::close(ready[1]);
        ::close(go[0]);
        go_ = go[1];
        char byte = 0;
        holds_ = ::read(ready[0], &byte, 1) == 1;
        ::close(ready[0]);
    }
    ~Holder() { release(); }
    void release() {
        if (go_ >= 0) ::close(go_);
        go_ = -1;
        if (pid_ > 0) ::waitpid(pid_, nullptr, 0);
        pid_ = 0;
    }
    void kill() {
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
        pid_ = 0;
    }
    bool holds() const { return holds_; }
    pid_t pid() const { return pid_; }

private:
    pid_t pid_ = 0;
    int go_ = -1;
    bool holds_ = false;
};

class LockTest : public ::testing::Test {
protected:
    LockTest() { std::ofstream(path_) << "x"; }
    std::optional<Code> locked(LockMode mode, int64_t wait_ms = 0, std::string* message = nullptr) const {
        return code_of([&] { Lock(path_, mode, wait_ms); }, message);
    }
    test::TempDir dir_{test::fast_folder()};
    std::string path_ = dir_ / "config";
};

TEST_F(LockTest, ModesGoTogetherBetweenProcessesAsTheTableSays) {
    for (const LockMode held : kModes) {
        Holder holder(path_, held);
        ASSERT_TRUE(holder.holds());
        for (const LockMode wanted : kModes) {
            EXPECT_EQ(locked(wanted), together(held, wanted) ? std::nullopt : std::optional(Code::locked))
                << static_cast<int>(held) << " then " << static_cast<int>(wanted);
        }
        holder.release();
        for (const LockMode wanted : kModes) EXPECT_EQ(locked(wanted), std::nullopt);
    }
}

TEST_F(LockTest, ModesGoTogetherWithinAProcessAsTheTableSays) {
    for (const LockMode held : kModes) {
        const Lock lock(path_, held, 0);
        EXPECT_EQ(lock.mode(), held);
        for (const LockMode wanted : kModes) {
            EXPECT_EQ(locked(wanted), together(held, wanted) ? std::nullopt : std::optional(Code::locked));
            // Opening and closing the file again drops nothing, as it would with classic POSIX locks.
            std::ifstream(path_).get();
        }
    }
}

TEST_F(LockTest, AnAppenderThatWasRefusedHoldsNothing) {
    Holder holder(path_, LockMode::append);
    EXPECT_EQ(locked(LockMode::append), Code::locked);
    EXPECT_EQ(locked(LockMode::exclusive), Code::locked);
    holder.release();
    EXPECT_EQ(locked(LockMode::exclusive), std::nullopt);
}

TEST_F(LockTest, ErrorNamesTheHoldersPidAndCommand) {
    const Holder one(path_, LockMode::shared), two(path_, LockMode::append);
    std::string message;
    EXPECT_EQ(locked(LockMode::exclusive, 0, &message), Code::locked);
    EXPECT_NE(message.find("pid " + std::to_string(one.pid())), std::string::npos) << message;
    EXPECT_NE(message.find("pid " + std::to_string(two.pid())), std::string::npos) << message;
    EXPECT_NE(message.find("store_tests"), std::string::npos) << message;
    EXPECT_NE(message.find("--lock-wait"), std::string::npos) << message;
}

TEST_F(LockTest, DiesWithItsProcess) {
    for (const LockMode held : kModes) {
        Holder holder(path_, held);
        ASSERT_TRUE(holder.holds());
        holder.kill();
        EXPECT_EQ(locked(LockMode::exclusive), std::nullopt);
    }
}

TEST_F(LockTest, WaitsUntilTheHolderGoes) {
    Holder holder(path_, LockMode::append);
    std::thread later([&] { holder.release(); });
    EXPECT_EQ(locked(LockMode::append, 60'000), std::nullopt);
    later.join();
}

TEST_F(LockTest, GivesUpWhenTheWaitIsOver) {
    const Holder holder(path_, LockMode::append);
    std::string message;
    EXPECT_EQ(locked(LockMode::append, 60, &message), Code::locked);
    EXPECT_NE(message.find("waited 60 ms"), std::string::npos) << message;
}

TEST_F(LockTest, StopsWaitingWhenInterrupted) {
    const Holder holder(path_, LockMode::append);
    set_interrupted(true);
    EXPECT_EQ(locked(LockMode::append, 60'000), Code::interrupted);
    set_interrupted(false);
}

// `check --repair` writes a damaged config anew: whoever waited for the old file must not end up with a lock on nothing.
TEST_F(LockTest, LiesOnTheFileThatHasTheNameNow) {
    auto old = std::make_unique<Lock>(path_, LockMode::append, 0);
    std::filesystem::remove(path_);
    std::ofstream(path_) << "y";
    const Lock fresh(path_, LockMode::append, 0);
    old.reset();
    EXPECT_EQ(locked(LockMode::append), Code::locked);

    const std::string other = dir_ / "other";
    std::ofstream(other) << "x";
    auto held = std::make_unique<Lock>(other, LockMode::exclusive, 0);
    std::optional<Code> waited;
    std::thread waiter([&] { waited = code_of([&] { Lock(other, LockMode::exclusive, 200); }); });
    std::filesystem::remove(other);
    std::ofstream(other) << "y";
    const Lock mended(other, LockMode::exclusive, 1000);
    held.reset();
    waiter.join();
    EXPECT_EQ(waited, Code::locked);
}

TEST_F(LockTest, OfAFileThatIsNotThereIsAnError) {
    EXPECT_EQ(code_of([&] { Lock(dir_ / "nothing", LockMode::shared, 0); }), Code::failed);
}

}  // namespace
}  // namespace ingot
