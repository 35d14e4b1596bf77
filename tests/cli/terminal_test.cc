#include "cli/terminal.h"

#include <gtest/gtest.h>
#include <pty.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"

namespace ingot {

// What the terminal showed, once `child` was asked `question` on it and answered with `answer`; the child's status in `exit`.
static std::string talk(const std::string& question, const std::string& answer, int (*child)(), int& exit) {
    int terminal = -1;
    const pid_t pid = ::forkpty(&terminal, nullptr, nullptr, nullptr);
    if (pid == 0) ::_exit(child());
    std::string shown;
    bool answered = false;
    for (;;) {
        char buffer[256];
        const ssize_t n = ::read(terminal, buffer, sizeof buffer);
        if (n <= 0) break;  // EIO: the child is gone
        shown.append(buffer, static_cast<size_t>(n));
        if (!answered && shown.find(question) != std::string::npos) {
            answered = ::write(terminal, answer.data(), answer.size()) == static_cast<ssize_t>(answer.size());
        }
    }
    int status = 0;
    ::waitpid(pid, &status, 0);
    ::close(terminal);
    exit = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    return shown;
}

TEST(Terminal, ASecretIsAskedForAndNotShown) {
    const auto child = [] { return ask_secret("passphrase: ").text() == "canary-9f3" ? 0 : 1; };
    int exit = -1;
    const std::string shown = talk("passphrase: ", "canary-9f3\n", child, exit);
    EXPECT_EQ(exit, 0);
    EXPECT_EQ(shown.find("canary"), std::string::npos) << shown;
}

TEST(Terminal, OnlyAYesIsAYes) {
    const auto child = [] { return ask_yes("really?") ? 7 : 8; };
    int exit = -1;
    talk("[y/N]", "y\n", child, exit);
    EXPECT_EQ(exit, 7);
    talk("[y/N]", "n\n", child, exit);
    EXPECT_EQ(exit, 8);
    talk("[y/N]", "\n", child, exit);
    EXPECT_EQ(exit, 8);
}

TEST(Terminal, NobodyIsAskedWhereThereIsNone) {
    const int kept = ::dup(STDIN_FILENO);
    ASSERT_NE(::freopen("/dev/null", "r", stdin), nullptr);
    EXPECT_FALSE(can_ask());
    EXPECT_FALSE(ask_yes("really?"));
    EXPECT_THROW(ask_secret("passphrase: "), Error);
    ::dup2(kept, STDIN_FILENO);
    ::close(kept);
}

TEST(Terminal, WhoeverPrintsTakesTheProgressLineAway) {
    int cleared = 0;
    set_progress_line([&] { ++cleared; });
    clear_progress_line();
    set_progress_line({});
    clear_progress_line();
    EXPECT_EQ(cleared, 1);
}

}  // namespace ingot
