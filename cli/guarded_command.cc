#include "cli/guarded_command.h"

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>

#include "base/error.h"

namespace ingot {
namespace {

volatile pid_t group_of_command = 0;

// Async-signal-safe: kill is.
void pass_on(int signal) {
    const int saved = errno;
    if (group_of_command > 0) (void)::kill(-group_of_command, signal);
    errno = saved;
}

class SignalsPassedOn {
public:
    SignalsPassedOn() {
        struct sigaction action {};
        action.sa_handler = pass_on;
        sigemptyset(&action.sa_mask);
        for (size_t i = 0; i < kSignals.size(); ++i) ::sigaction(kSignals[i], &action, &before_[i]);
        // Taking the terminal back from the background would stop this process else.
        struct sigaction ignore {};
        ignore.sa_handler = SIG_IGN;
        ::sigaction(SIGTTOU, &ignore, &tty_before_);
    }
    SignalsPassedOn(const SignalsPassedOn&) = delete;
    SignalsPassedOn& operator=(const SignalsPassedOn&) = delete;
    ~SignalsPassedOn() {
        for (size_t i = 0; i < kSignals.size(); ++i) ::sigaction(kSignals[i], &before_[i], nullptr);
        ::sigaction(SIGTTOU, &tty_before_, nullptr);
        group_of_command = 0;
    }

    static constexpr std::array kSignals = {SIGINT, SIGTERM, SIGHUP};

private:
    std::array<struct sigaction, kSignals.size()> before_{};
    struct sigaction tty_before_ {};
};

// Between fork and exec.
[[noreturn]] void become(const std::vector<char*>& argv, const sigset_t& mask) {
    ::setpgid(0, 0);
    for (const int signal : SignalsPassedOn::kSignals) ::signal(signal, SIG_DFL);
    ::signal(SIGTTOU, SIG_DFL);
    ::signal(SIGPIPE, SIG_DFL);
    ::sigprocmask(SIG_SETMASK, &mask, nullptr);
    ::execvp(argv[0], argv.data());
    const int error = errno;
    const std::string line = std::string("ingot: ") + argv[0] + ": " + std::strerror(error) + "\n";
    (void)!::write(STDERR_FILENO, line.data(), line.size());
    ::_exit(error == ENOENT ? 127 : 126);
}

}  // namespace

int run_in_foreground(const std::vector<std::string>& argv) {
    std::vector<char*> words;
    for (const std::string& word : argv) words.push_back(const_cast<char*>(word.c_str()));
    words.push_back(nullptr);
    const SignalsPassedOn signals;
    // A signal between the fork and the note of the group would reach nobody: they wait until both are done.
    sigset_t ours, before;
    sigemptyset(&ours);
    for (const int signal : SignalsPassedOn::kSignals) sigaddset(&ours, signal);
    ::sigprocmask(SIG_BLOCK, &ours, &before);
    std::fflush(nullptr);
    const pid_t child = ::fork();
    if (child == 0) become(words, before);
    if (child < 0) {
        const int error = errno;
        ::sigprocmask(SIG_SETMASK, &before, nullptr);
        throw Error::from_errno("starting", argv[0], error);
    }
    ::setpgid(child, child);
    group_of_command = child;
    ::sigprocmask(SIG_SETMASK, &before, nullptr);
    const bool has_terminal = ::isatty(STDIN_FILENO) == 1 && ::tcgetpgrp(STDIN_FILENO) == ::getpgrp();
    if (has_terminal) ::tcsetpgrp(STDIN_FILENO, child);
    int status = 0;
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    if (has_terminal) ::tcsetpgrp(STDIN_FILENO, ::getpgrp());
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

}  // namespace ingot
