#include "snapshot/guard_child.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <ctime>
#include <initializer_list>

namespace ingot {
namespace {

constexpr int kResumeTries = 3;
constexpr int kBetweenTriesMs = 200;
// A pause command gets a second between the first SIGTERM and SIGKILL.
constexpr int kTermTries = 10;
constexpr int64_t kTermWaitNs = 100'000'000;
// How often a kernel without pidfd_open is asked whether the command has ended.
constexpr int kTickMs = 5;
// What a command reports that could not even be started: the shell's own number for it.
constexpr int kNotStarted = 127;

int64_t clock_ns(clockid_t id) noexcept {
    timespec ts{};
    ::clock_gettime(id, &ts);
    return static_cast<int64_t>(ts.tv_sec) * 1'000'000'000 + ts.tv_nsec;
}

int64_t mono_ns() noexcept { return clock_ns(CLOCK_MONOTONIC); }

void become_ordinary() noexcept {
    struct sigaction action {};
    action.sa_handler = SIG_DFL;
    for (int signal = 1; signal < NSIG; ++signal) ::sigaction(signal, &action, nullptr);
    sigset_t none;
    sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

// Its pid, or -1.
pid_t start(const GuardOrders& orders, const char* text, int output) noexcept {
    const pid_t pid = ::_Fork();
    if (pid != 0) {
        if (pid > 0) ::setpgid(pid, pid);
        return pid;
    }
    ::setpgid(0, 0);
    become_ordinary();
    const int nothing = ::open("/dev/null", O_RDONLY);
    if (nothing < 0 || ::dup2(nothing, STDIN_FILENO) < 0 || ::dup2(output, STDOUT_FILENO) < 0 ||
        ::dup2(output, STDERR_FILENO) < 0 || ::chdir(orders.folder) != 0) {
        ::_exit(kNotStarted);
    }
    ::close_range(STDERR_FILENO + 1, ~0U, 0);
    const char* argv[] = {"/bin/sh", "-c", text, nullptr};
    ::execve("/bin/sh", const_cast<char* const*>(argv), orders.environment);
    ::_exit(kNotStarted);
}

int status_of(int status) noexcept { return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status); }

enum class Woken { child_ended, told, deadline };

// Until the child (where there is one) ends, the parent speaks or dies, or the deadline comes.
Woken wait_for(pid_t child, int* status, const GuardOrders& orders, int64_t deadline_ns, bool listen) noexcept {
    const int pidfd = child > 0 ? static_cast<int>(::syscall(SYS_pidfd_open, child, 0)) : -1;
    Woken woken = Woken::deadline;
    for (;;) {
        if (child > 0 && ::waitpid(child, status, WNOHANG) == child) {
            woken = Woken::child_ended;
            break;
        }
        const int64_t left_ns = deadline_ns - mono_ns();
        if (left_ns <= 0) break;
        pollfd fds[2] = {{listen ? orders.from_parent : -1, POLLIN, 0}, {pidfd, POLLIN, 0}};
        int64_t wait_ms = left_ns / 1'000'000 + 1;
        if (wait_ms > 60'000) wait_ms = 60'000;
        if (child > 0 && pidfd < 0 && wait_ms > kTickMs) wait_ms = kTickMs;
        if (::poll(fds, 2, static_cast<int>(wait_ms)) > 0 && fds[0].revents != 0) {
            woken = Woken::told;
            break;
        }
    }
    if (pidfd >= 0) ::close(pidfd);
    return woken;
}

// Ends the command's whole group. TERM is said more than once: a command that is just being started still ignores it, as we do.
void end_group(pid_t child, int* status, const GuardOrders& orders) noexcept {
    for (int tried = 0; tried < kTermTries; ++tried) {
        ::kill(-child, SIGTERM);
        if (wait_for(child, status, orders, mono_ns() + kTermWaitNs, false) == Woken::child_ended) return;
    }
    ::kill(-child, SIGKILL);
    while (::waitpid(child, status, 0) < 0 && errno == EINTR) {
    }
}

// The parent may be gone: then nobody needs the message.
template <class Message>
void say(int to, const Message& message) noexcept {
    while (::write(to, &message, sizeof message) < 0 && errno == EINTR) {
    }
}

// How the pause ended: whether the deadline cut it short.
bool pause(const GuardOrders& orders) noexcept {
    PauseMessage message{};
    int status = 0;
    const pid_t child = start(orders, orders.pause, orders.pause_output);
    Woken woken = Woken::child_ended;
    if (child < 0) {
        message.status = kNotStarted;
    } else {
        woken = wait_for(child, &status, orders, orders.deadline_mono_ns, true);
        if (woken != Woken::child_ended) end_group(child, &status, orders);
        message.status = status_of(status);
    }
    message.ended_by_guard = woken != Woken::child_ended;
    message.ended_wall_ms = clock_ns(CLOCK_REALTIME) / 1'000'000;
    message.ended_mono_ns = mono_ns();
    say(orders.to_parent, message);
    if (woken == Woken::child_ended && message.status == 0) {
        woken = wait_for(-1, nullptr, orders, orders.deadline_mono_ns, true);
    }
    return woken == Woken::deadline;
}

void resume(const GuardOrders& orders, bool by_deadline) noexcept {
    ResumeMessage message{};
    message.by_deadline = by_deadline;
    message.started_wall_ms = clock_ns(CLOCK_REALTIME) / 1'000'000;
    message.started_mono_ns = mono_ns();
    for (int tried = 0; tried < kResumeTries; ++tried) {
        if (tried > 0) ::poll(nullptr, 0, kBetweenTriesMs);
        int status = kNotStarted << 8;
        const pid_t child = start(orders, orders.resume, orders.resume_output);
        while (child > 0 && ::waitpid(child, &status, 0) < 0 && errno == EINTR) {
        }
        message.status = status_of(status);
        if (message.status == 0) break;
    }
    message.ended_mono_ns = mono_ns();
    say(orders.to_parent, message);
}

// Everything but the four descriptors of its orders is closed: no lock, no file, no terminal of the parent is held.
GuardOrders let_go_of_the_parent(GuardOrders orders) noexcept {
    ::setsid();
    struct sigaction ignore {};
    ignore.sa_handler = SIG_IGN;
    for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE}) ::sigaction(signal, &ignore, nullptr);
    int* const kept[] = {&orders.from_parent, &orders.to_parent, &orders.pause_output, &orders.resume_output};
    // First out of the way of the numbers they are going to have: 3, 4, 5, 6. 0 to 2 become /dev/null.
    for (int* fd : kept) *fd = ::fcntl(*fd, F_DUPFD, 10);
    int next = STDERR_FILENO + 1;
    for (int* fd : kept) {
        ::dup2(*fd, next);
        *fd = next++;
    }
    ::close_range(static_cast<unsigned>(next), ~0U, 0);
    const int nothing = ::open("/dev/null", O_RDWR);
    for (int fd = 0; fd <= STDERR_FILENO; ++fd) ::dup2(nothing, fd);
    if (nothing > STDERR_FILENO) ::close(nothing);
    return orders;
}

}  // namespace

void be_the_guard(const GuardOrders& from_parent) noexcept {
    const GuardOrders orders = let_go_of_the_parent(from_parent);
    resume(orders, pause(orders));
    ::_exit(0);
}

}  // namespace ingot
