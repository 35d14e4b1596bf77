#include "base/process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <spawn.h>
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

// What a group gets between SIGTERM and SIGKILL: long enough for a tool to remove its temporary files.
constexpr int64_t kTermGraceMs = 1000;
// How long output is still read after the child itself has ended: what it left in the background may hold the pipes for ever.
constexpr int64_t kDrainMs = 200;
// How often a kernel without pidfd_open is asked whether the child has ended.
constexpr int64_t kTickMs = 5;

class Fd {
public:
    Fd() = default;
    explicit Fd(int fd) : fd_(fd) {}
    Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    Fd& operator=(Fd&& other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }
    ~Fd() { close(); }
    int get() const { return fd_; }
    void close() {
        if (fd_ >= 0) ::close(fd_);
        fd_ = -1;
    }

private:
    int fd_ = -1;
};

// Moved above the three standard descriptors, which the child's ends are going to become.
Fd above_standard(Fd fd) {
    if (fd.get() > STDERR_FILENO) return fd;
    const int moved = ::fcntl(fd.get(), F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    if (moved < 0) throw Error::from_errno("making a pipe for", "a program", errno);
    return Fd(moved);
}

struct Pipe {
    Fd read, write;

    Pipe() {
        std::array<int, 2> ends{};
        if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw Error::from_errno("making a pipe for", "a program", errno);
        Fd first(ends[0]), second(ends[1]);
        read = above_standard(std::move(first));
        write = above_standard(std::move(second));
    }
};

// SIGPIPE is held back from this thread while it lives, and one that came is taken away: a child that closes its standard
// input early must not end us, whatever the rest of the process thinks of that signal.
class PipeSignalHeld {
public:
    PipeSignalHeld() {
        sigemptyset(&set_);
        sigaddset(&set_, SIGPIPE);
        sigset_t pending;
        sigpending(&pending);
        was_pending_ = sigismember(&pending, SIGPIPE) == 1;
        pthread_sigmask(SIG_BLOCK, &set_, &before_);
    }
    PipeSignalHeld(const PipeSignalHeld&) = delete;
    PipeSignalHeld& operator=(const PipeSignalHeld&) = delete;
    ~PipeSignalHeld() {
        const timespec at_once{};
        while (!was_pending_ && sigtimedwait(&set_, nullptr, &at_once) == -1 && errno == EINTR) {
        }
        pthread_sigmask(SIG_SETMASK, &before_, nullptr);
    }

private:
    sigset_t set_{}, before_{};
    bool was_pending_ = false;
};

std::string shown(const Command& command) {
    const bool shell = command.argv.size() == 3 && command.argv[0] == "/bin/sh" && command.argv[1] == "-c";
    std::string text = shell ? command.argv[2] : command.argv[0];
    if (text.size() > 100) text = text.substr(0, 100) + "...";
    return "\"" + printable(text) + "\"";
}

std::vector<std::string> environment_of(const Command& command) {
    std::vector<std::string> out;
    for (char** each = environ; *each != nullptr; ++each) {
        const std::string_view line = *each;
        const std::string_view name = line.substr(0, line.find('='));
        const auto replaced = [&](const auto& pair) { return pair.first == name; };
        if (std::none_of(command.environment.begin(), command.environment.end(), replaced)) out.emplace_back(line);
    }
    for (const auto& [name, value] : command.environment) out.push_back(name + "=" + value);
    return out;
}

std::vector<char*> pointers_to(std::vector<std::string>& strings) {
    std::vector<char*> out;
    for (std::string& each : strings) out.push_back(each.data());
    out.push_back(nullptr);
    return out;
}

// posix_spawn and not fork: it does not copy the page tables of a process that holds a large index.
pid_t spawn(const Command& command, int in, int out, int err) {
    std::vector<std::string> arguments = command.argv;
    std::vector<std::string> environment = environment_of(command);
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, err, STDERR_FILENO);
    posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
    if (!command.folder.empty()) posix_spawn_file_actions_addchdir_np(&actions, command.folder.c_str());
    sigset_t none, defaults;
    sigemptyset(&none);
    sigemptyset(&defaults);
    for (const int signal : {SIGPIPE, SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGCHLD}) sigaddset(&defaults, signal);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &defaults);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
    pid_t pid = -1;
    const int error = posix_spawnp(&pid, arguments[0].c_str(), &actions, &attributes, pointers_to(arguments).data(),
                                   pointers_to(environment).data());
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    if (error != 0) {
        const std::string where = command.folder.empty() ? "" : " in " + printable(command.folder);
        throw Error(Code::failed, fmt::format("starting {}{}: {}", shown(command), where, std::strerror(error)),
                    "check that the program and the folder exist");
    }
    return pid;
}

// A started child. It stays a zombie until this dies, so that its group's number cannot become another's meanwhile.
class Child {
public:
    explicit Child(pid_t pid) : pid_(pid), pidfd_(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))) {}
    Child(const Child&) = delete;
    Child& operator=(const Child&) = delete;
    ~Child() {
        if (!ended()) kill_group(SIGKILL);
        while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
        }
    }

    int pidfd() const { return pidfd_.get(); }
    void kill_group(int signal) const { ::kill(-pid_, signal); }
    bool ended() {
        if (info_.si_pid == 0) ::waitid(P_PID, static_cast<id_t>(pid_), &info_, WEXITED | WNOHANG | WNOWAIT);
        return info_.si_pid != 0;
    }
    int status() const { return info_.si_code == CLD_EXITED ? info_.si_status : 128 + info_.si_status; }

private:
    pid_t pid_;
    Fd pidfd_;
    siginfo_t info_{};
};

// Reads what is there. Closes the pipe at its end.
void read_some(Fd& from, std::string& into, size_t limit) {
    std::array<char, 65536> buffer;
    const ssize_t n = ::read(from.get(), buffer.data(), buffer.size());
    if (n > 0) {
        into.append(buffer.data(), std::min(static_cast<size_t>(n), limit - std::min(limit, into.size())));
    } else if (n == 0 || (errno != EINTR && errno != EAGAIN)) {
        from.close();
    }
}

void write_some(Fd& to, std::string_view& input) {
    const ssize_t n = ::write(to.get(), input.data(), input.size());
    if (n > 0) input.remove_prefix(static_cast<size_t>(n));
    // A child that does not read all of its input has its reasons, and its exit status tells them.
    if (input.empty() || (n < 0 && errno != EINTR && errno != EAGAIN)) to.close();
}

// The conversation with one child, from its start to its end.
class Conversation {
public:
    Conversation(const Command& command, Child& child, Fd in, Fd out, Fd err)
        : command_(command),
          child_(child),
          in_(std::move(in)),
          out_(std::move(out)),
          err_(std::move(err)),
          input_(command.input),
          deadline_ns_(mono_now_ns() + command.limit_ms * 1'000'000) {
        for (const Fd* fd : {&in_, &out_, &err_}) {
            if (fd->get() >= 0) ::fcntl(fd->get(), F_SETFL, O_NONBLOCK);
        }
        if (input_.empty()) in_.close();
    }

    void run(CommandResult& result) {
        while (!child_.ended()) {
            if (mono_now_ns() >= deadline_ns_) end_group();
            exchange(deadline_ns_, result);
        }
        const int64_t drain_until = mono_now_ns() + kDrainMs * 1'000'000;
        while ((out_.get() >= 0 || err_.get() >= 0) && mono_now_ns() < drain_until) exchange(drain_until, result);
        if (killed_) {
            child_.kill_group(SIGKILL);  // those of the group that outlived SIGTERM
            throw Error(Code::failed,
                        fmt::format("{} ran longer than {} and was ended", shown(command_), human_duration(command_.limit_ms)));
        }
    }

private:
    // TERM the first time, KILL the second.
    void end_group() {
        child_.kill_group(killed_ ? SIGKILL : SIGTERM);
        killed_ = true;
        deadline_ns_ = mono_now_ns() + kTermGraceMs * 1'000'000;
    }

    void exchange(int64_t until_ns, CommandResult& result) {
        const bool alive = !child_.ended();
        std::array<pollfd, 4> fds = {{{in_.get(), POLLOUT, 0},
                                      {out_.get(), POLLIN, 0},
                                      {err_.get(), POLLIN, 0},
                                      {alive ? child_.pidfd() : -1, POLLIN, 0}}};
        int64_t wait_ms = std::clamp<int64_t>((until_ns - mono_now_ns() + 999'999) / 1'000'000, 0, 60'000);
        if (alive && child_.pidfd() < 0) wait_ms = std::min(wait_ms, kTickMs);
        if (::poll(fds.data(), fds.size(), static_cast<int>(wait_ms)) <= 0) return;
        if (fds[0].revents != 0) write_some(in_, input_);
        if (fds[1].revents != 0) read_some(out_, result.out, command_.output_limit_bytes);
        if (fds[2].revents != 0) read_some(err_, result.err, command_.output_limit_bytes);
    }

    const Command& command_;
    Child& child_;
    Fd in_, out_, err_;
    std::string_view input_;
    int64_t deadline_ns_;
    bool killed_ = false;
};

std::string last_line(std::string text) {
    while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' ')) text.pop_back();
    const size_t newline = text.find_last_of('\n');
    return printable(newline == std::string::npos ? text : text.substr(newline + 1));
}

}  // namespace

Command Command::shell(std::string text, std::string folder) {
    Command command;
    command.argv = {"/bin/sh", "-c", std::move(text)};
    command.folder = std::move(folder);
    return command;
}

CommandResult run(const Command& command) {
    if (command.argv.empty()) throw Error(Code::failed, "a command without a program");
    const int64_t started_ns = mono_now_ns();
    CommandResult result;
    Pipe in, out, err;
    const PipeSignalHeld held;
    Child child(spawn(command, in.read.get(), out.write.get(), err.write.get()));
    in.read.close();
    out.write.close();
    err.write.close();
    Conversation(command, child, std::move(in.write), std::move(out.read), std::move(err.read)).run(result);
    result.status = child.status();
    result.duration_ms = (mono_now_ns() - started_ns) / 1'000'000;
    return result;
}

CommandResult run_checked(const Command& command, const std::string& what) {
    CommandResult result;
    try {
        result = run(command);
    } catch (const Error& error) {
        throw error.within(what);
    }
    if (result.status == 0) return result;
    const std::string line = last_line(result.err.empty() ? result.out : result.err);
    throw Error(Code::failed, fmt::format("{}: {} ended with status {}{}{}", what, shown(command), result.status,
                                          line.empty() ? "" : ": ", line));
}

}  // namespace ingot
