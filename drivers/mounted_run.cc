#include "drivers/mounted_run.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>

#include "base/clock.h"
#include "base/error.h"

namespace ingot {
namespace {

// No file that the program writes may be larger, its output among them: a program that never stops printing runs into a signal.
constexpr rlim_t kFileBytes = 256 << 20;
// How often a kernel without pidfd_open is asked whether the child has ended.
constexpr int kTickMs = 5;

enum class Stage : int { separate, map_user, keep_private, mount, enter, start };

// What the child says before it dies without having become the program.
struct Failure {
    Stage stage = Stage::start;
    int error = 0;
    size_t mount = 0;
};

class OwnedFd {
public:
    explicit OwnedFd(int fd) : fd_(fd) {
        if (fd < 0) throw Error::from_errno("preparing to run", "a program", errno);
    }
    OwnedFd(const OwnedFd&) = delete;
    OwnedFd& operator=(const OwnedFd&) = delete;
    ~OwnedFd() { close(); }
    int get() const { return fd_; }
    void close() {
        if (fd_ >= 0) ::close(fd_);
        fd_ = -1;
    }

private:
    int fd_;
};

// All that the child needs, made before the fork: after it, in a process of many threads, no memory may be asked for.
struct ChildPlan {
    std::vector<const char*> from, at;
    std::vector<bool> may_fail;
    std::vector<char*> argv;
    const char* folder = nullptr;
    bool as_user = false;  // a user namespace is needed
    std::string uid_map, gid_map;
    int out = -1, err = -1, tell = -1;
};

bool write_file(const char* path, std::string_view text) {
    const int fd = ::open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) return false;
    const bool written = ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
    const int error = errno;
    ::close(fd);
    errno = error;
    return written;
}

[[noreturn]] void give_up(const ChildPlan& plan, Stage stage, size_t mount = 0) {
    const Failure failure{stage, errno, mount};
    const ssize_t told = ::write(plan.tell, &failure, sizeof failure);
    ::_exit(told == sizeof failure ? 126 : 125);
}

[[noreturn]] void become_program(const ChildPlan& plan) {
    ::setpgid(0, 0);
    if (::unshare(plan.as_user ? CLONE_NEWUSER | CLONE_NEWNS : CLONE_NEWNS) != 0) give_up(plan, Stage::separate);
    if (plan.as_user) {
        // A process that holds keys may have made itself undumpable: then root owns its files in /proc. Only for these writes.
        const int dumpable = ::prctl(PR_GET_DUMPABLE);
        ::prctl(PR_SET_DUMPABLE, 1);
        const bool mapped = write_file("/proc/self/setgroups", "deny") && write_file("/proc/self/uid_map", plan.uid_map) &&
                            write_file("/proc/self/gid_map", plan.gid_map);
        if (!mapped) give_up(plan, Stage::map_user);
        ::prctl(PR_SET_DUMPABLE, dumpable);
    }
    // Without it the mounts would show in the namespace that this one was copied from.
    if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) give_up(plan, Stage::keep_private);
    for (size_t i = 0; i < plan.from.size(); ++i) {
        const int done = ::mount(plan.from[i], plan.at[i], nullptr, MS_BIND | MS_REC, nullptr);
        if (done != 0 && !plan.may_fail[i]) give_up(plan, Stage::mount, i);
    }
    if (::chdir(plan.folder) != 0) give_up(plan, Stage::enter);
    for (const int signal : {SIGPIPE, SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGCHLD}) ::signal(signal, SIG_DFL);
    sigset_t none;
    sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    const rlimit files{kFileBytes, kFileBytes};
    ::setrlimit(RLIMIT_FSIZE, &files);
    const int input = ::open("/dev/null", O_RDONLY);
    ::dup2(input, STDIN_FILENO);
    ::dup2(plan.out, STDOUT_FILENO);
    ::dup2(plan.err, STDERR_FILENO);
    // All that was inherited; `tell` closes itself when the program starts.
    for (int fd = STDERR_FILENO + 1; fd < plan.tell; ++fd) ::close(fd);
    ::syscall(SYS_close_range, plan.tell + 1, ~0U, 0);
    ::execv(plan.argv[0], plan.argv.data());
    give_up(plan, Stage::start);
}

// Reaps the child, and ends its whole group first where it still runs.
class RunningChild {
public:
    explicit RunningChild(pid_t pid) : pid_(pid), pidfd_(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))) {}
    RunningChild(const RunningChild&) = delete;
    RunningChild& operator=(const RunningChild&) = delete;
    ~RunningChild() {
        if (!reaped_) {
            ::kill(-pid_, SIGKILL);
            ::kill(pid_, SIGKILL);  // it may not lead a group yet
            while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
            }
        }
        if (pidfd_ >= 0) ::close(pidfd_);
    }

    // False where it still runs after so long.
    bool wait(int64_t limit_ms, int& status) {
        const int64_t deadline = mono_now_ns() + limit_ms * 1'000'000;
        for (;;) {
            int raw = 0;
            if (::waitpid(pid_, &raw, WNOHANG) == pid_) {
                ::kill(-pid_, SIGKILL);  // what it left in the background
                reaped_ = true;
                status = WIFEXITED(raw) ? WEXITSTATUS(raw) : 128 + WTERMSIG(raw);
                return true;
            }
            const int64_t left_ms = (deadline - mono_now_ns()) / 1'000'000;
            if (left_ms <= 0) return false;
            pollfd ended{pidfd_, POLLIN, 0};
            ::poll(&ended, 1, pidfd_ >= 0 ? static_cast<int>(std::min<int64_t>(left_ms, 1000)) : kTickMs);
        }
    }

private:
    pid_t pid_;
    int pidfd_;
    bool reaped_ = false;
};

std::string contents(int fd, size_t limit) {
    std::string out(limit, '\0');
    size_t size = 0;
    while (size < limit) {
        const ssize_t n = ::pread(fd, out.data() + size, limit - size, static_cast<off_t>(size));
        if (n <= 0) break;
        size += static_cast<size_t>(n);
    }
    out.resize(size);
    return out;
}

std::string reason_of(const Failure& failure, const std::vector<Mount>& mounts) {
    const char* error = std::strerror(failure.error);
    switch (failure.stage) {
        case Stage::separate:
        case Stage::map_user:
        case Stage::keep_private:
            return fmt::format("this user, or this container, may not make a mount namespace ({})", error);
        case Stage::mount:
            return fmt::format("{} cannot be bound over {} ({})", printable(mounts.at(failure.mount).from),
                               printable(mounts.at(failure.mount).at), error);
        default:
            return {};
    }
}

}  // namespace

MountedResult run_mounted(const std::vector<Mount>& mounts, const Command& command) {
    ChildPlan plan;
    for (const Mount& mount : mounts) {
        plan.from.push_back(mount.from.c_str());
        plan.at.push_back(mount.at.c_str());
        plan.may_fail.push_back(mount.may_fail);
    }
    std::vector<std::string> arguments = command.argv;
    for (std::string& argument : arguments) plan.argv.push_back(argument.data());
    plan.argv.push_back(nullptr);
    plan.folder = command.folder.empty() ? "/" : command.folder.c_str();
    plan.as_user = ::geteuid() != 0;
    plan.uid_map = fmt::format("{0} {0} 1", ::geteuid());
    plan.gid_map = fmt::format("{0} {0} 1", ::getegid());
    const OwnedFd out(::memfd_create("out", MFD_CLOEXEC)), err(::memfd_create("err", MFD_CLOEXEC));
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw Error::from_errno("making a pipe for", "a program", errno);
    const OwnedFd heard(ends[0]);
    OwnedFd tell(ends[1]);
    plan.out = out.get();
    plan.err = err.get();
    plan.tell = tell.get();

    const int64_t began = mono_now_ns();
    const pid_t pid = ::fork();
    if (pid < 0) throw Error::from_errno("starting", command.argv[0], errno);
    if (pid == 0) become_program(plan);
    ::setpgid(pid, pid);  // also here, so that it leads its group before anybody ends that
    RunningChild child(pid);
    tell.close();

    MountedResult done;
    if (!child.wait(command.limit_ms, done.result.status)) {
        throw Error(Code::failed, fmt::format("\"{}\" ran longer than {} and was ended", printable(command.argv[0]),
                                              human_duration(command.limit_ms)));
    }
    Failure failure;
    if (::read(heard.get(), &failure, sizeof failure) == sizeof failure) {
        done.unavailable = reason_of(failure, mounts);
        if (!done.unavailable.empty()) return done;
        throw Error(Code::failed, fmt::format("starting \"{}\": {}", printable(command.argv[0]), std::strerror(failure.error)),
                    "check that the program and the folder exist");
    }
    done.result.out = contents(out.get(), command.output_limit_bytes);
    done.result.err = contents(err.get(), command.output_limit_bytes);
    done.result.duration_ms = (mono_now_ns() - began) / 1'000'000;
    return done;
}

}  // namespace ingot
