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
// How often Command::stop_when is asked.
constexpr int64_t kStopTickMs = 100;

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
    const bool shell = command.argv.size() >= 3 && command.argv[command.argv.size() - 2] == "-c";
    std::string text = shell ? command.argv.back() : command.argv[0];
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

std::string last_line(std::string text) {
    while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' ')) text.pop_back();
    const size_t newline = text.find_last_of('\n');
    return printable(newline == std::string::npos ? text : text.substr(newline + 1));
}

// Keeps the last `limit` bytes; the front is cut off now and then, not each time.
void keep_end(std::string& text, std::span<const char> more, size_t limit) {
    text.append(more.data(), more.size());
    if (text.size() > 2 * limit) text.erase(0, text.size() - limit);
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
          deadline_ns_(mono_now_ns() + command.limit_ms * 1'000'000),
          printed_ns_(mono_now_ns()) {
        for (const Fd* fd : {&in_, &out_, &err_}) {
            if (fd->get() >= 0) ::fcntl(fd->get(), F_SETFL, O_NONBLOCK);
        }
        if (input_.empty()) in_.close();
    }

    void run(CommandResult& result) {
        for (;;) {
            // Asked once for each round: a child that ends right after this is woken for by its pidfd, which stays readable.
            // Asked again in exchange(), it could be left out there, with its outputs closed already and nothing else to wake up
            // for.
            const bool alive = !child_.ended();
            if (!alive && !output_is_awaited()) break;
            if (mono_now_ns() >= until_ns() || stop_asked()) end_group();
            exchange(until_ns(), alive, result);
        }
        const int64_t drain_until = mono_now_ns() + kDrainMs * 1'000'000;
        while ((out_.get() >= 0 || err_.get() >= 0) && mono_now_ns() < drain_until) exchange(drain_until, false, result);
        if (result.err.size() > command_.output_limit_bytes) {
            result.err.erase(0, result.err.size() - command_.output_limit_bytes);
        }
        if (kills_ == 0) return;
        child_.kill_group(SIGKILL);  // those of the group that outlived SIGTERM
        const std::string line = last_line(result.err);
        throw Error(stopped_ ? Code::interrupted : Code::failed,
                    fmt::format("{} {}{}{}", shown(command_), reason_, line.empty() ? "" : "; it had said: ", line));
    }

private:
    // Its reader was promised all of the output. What still holds it open after SIGKILL left the group, and is waited for no
    // more.
    bool output_is_awaited() { return command_.output_to && out_.get() >= 0 && (kills_ < 2 || mono_now_ns() < until_ns()); }

    int64_t idle_until_ns() const {
        return command_.idle_limit_ms > 0 ? printed_ns_ + command_.idle_limit_ms * 1'000'000 : INT64_MAX;
    }
    int64_t until_ns() const { return kills_ > 0 ? deadline_ns_ : std::min(deadline_ns_, idle_until_ns()); }
    bool stop_asked() const { return kills_ == 0 && command_.stop_when && command_.stop_when(); }

    // TERM the first time, KILL the second.
    void end_group() {
        if (kills_ == 0) {
            stopped_ = stop_asked();
            if (stopped_) {
                reason_ = "was ended: interrupted";
            } else if (child_.ended()) {
                reason_ = "ended, but left something in the background that held its output open, and was ended too";
            } else if (mono_now_ns() >= deadline_ns_) {
                reason_ = fmt::format("ran longer than {} and was ended", human_duration(command_.limit_ms));
            } else {
                reason_ = fmt::format("printed nothing for {} and was ended", human_duration(command_.idle_limit_ms));
            }
        }
        child_.kill_group(kills_ == 0 ? SIGTERM : SIGKILL);
        ++kills_;
        deadline_ns_ = mono_now_ns() + kTermGraceMs * 1'000'000;
    }

    // Waits until something can be read or written, or the child ends where it is to be waited for, or that time.
    void exchange(int64_t end_ns, bool alive, CommandResult& result) {
        std::array<pollfd, 4> fds = {{{in_.get(), POLLOUT, 0},
                                      {out_.get(), POLLIN, 0},
                                      {err_.get(), POLLIN, 0},
                                      {alive ? child_.pidfd() : -1, POLLIN, 0}}};
        int64_t wait_ms = std::clamp<int64_t>((end_ns - mono_now_ns() + 999'999) / 1'000'000, 0, 60'000);
        if (command_.stop_when) wait_ms = std::min(wait_ms, kStopTickMs);
        if (alive && child_.pidfd() < 0) wait_ms = std::min(wait_ms, kTickMs);
        if (::poll(fds.data(), fds.size(), static_cast<int>(wait_ms)) <= 0) return;
        if (fds[0].revents != 0) write_some();
        if (fds[1].revents != 0) take_output(read_some(out_), result);
        if (fds[2].revents != 0) keep_end(result.err, read_some(err_), command_.output_limit_bytes);
    }

    void take_output(std::span<const char> bytes, CommandResult& result) const {
        if (command_.output_to) {
            if (!bytes.empty()) command_.output_to({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()});
            return;
        }
        const size_t room = command_.output_limit_bytes - std::min(command_.output_limit_bytes, result.out.size());
        result.out.append(bytes.data(), std::min(bytes.size(), room));
    }

    // What is there, until the next call. Closes the pipe at its end.
    std::span<const char> read_some(Fd& from) {
        const ssize_t n = ::read(from.get(), buffer_.data(), buffer_.size());
        if (n > 0) {
            printed_ns_ = mono_now_ns();
            return std::span<const char>(buffer_).first(static_cast<size_t>(n));
        }
        if (n == 0 || (errno != EINTR && errno != EAGAIN)) from.close();
        return {};
    }

    void write_some() {
        const ssize_t n = ::write(in_.get(), input_.data(), input_.size());
        if (n > 0) input_.remove_prefix(static_cast<size_t>(n));
        // A child that does not read all of its input has its reasons, and its exit status tells them.
        if (input_.empty() || (n < 0 && errno != EINTR && errno != EAGAIN)) in_.close();
    }

    const Command& command_;
    Child& child_;
    Fd in_, out_, err_;
    std::string_view input_;
    int64_t deadline_ns_;
    int64_t printed_ns_;  // when it was last heard of
    int kills_ = 0;
    bool stopped_ = false;
    std::string reason_;
    std::array<char, 65536> buffer_;
};

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
    const bool from_file = command.input_fd >= 0;
    const bool to_file = command.output_fd >= 0;
    Child child(spawn(command, from_file ? command.input_fd : in.read.get(), to_file ? command.output_fd : out.write.get(),
                      to_file ? command.output_fd : err.write.get()));
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
