#include "snapshot/guard.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>

#include "base/error.h"
#include "base/interrupt.h"
#include "base/process.h"
#include "snapshot/guard_child.h"

namespace ingot {
namespace {

// Beyond the deadline, what ending a hanging pause command may take.
constexpr int64_t kEndingMs = 5'000;
// How long a resume command is waited for. It is never ended: it may be what still keeps the writers waiting.
constexpr int64_t kResumeLimitMs = 120'000;
constexpr int kInterruptPollMs = 100;

// What the commands write goes to memory, not to a pipe: nobody has to read it, and a dead reader kills nobody.
int output_memory() {
    const int fd = ::memfd_create("output", MFD_CLOEXEC);
    if (fd < 0) throw Error::from_errno("getting memory for", "the output of the pause command", errno);
    return fd;
}

std::string last_line_of(int fd) {
    std::array<char, 2048> buffer{};
    const off_t end = ::lseek(fd, 0, SEEK_END);
    const off_t from = std::max<off_t>(0, end - static_cast<off_t>(buffer.size()));
    const ssize_t n = ::pread(fd, buffer.data(), buffer.size(), from);
    std::string_view text(buffer.data(), n > 0 ? static_cast<size_t>(n) : 0);
    while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.remove_suffix(1);
    const size_t newline = text.find_last_of('\n');
    if (newline != std::string_view::npos) text.remove_prefix(newline + 1);
    return printable(text);
}

void close_and_forget(int& fd) {
    if (fd >= 0) ::close(fd);
    fd = -1;
}

}  // namespace

bool PauseReport::encloses(int64_t first_mono_ns, int64_t last_mono_ns) const {
    return paused.mono_ns != 0 && paused.mono_ns <= first_mono_ns && last_mono_ns <= resumed.mono_ns;
}

std::string resume_problem(const PauseReport& report, const BarrierSpec& barrier) {
    if (report.resume_status == 0) return {};
    const std::string how = report.resume_status == kResumeStillRunning
                                ? "still runs"
                                : fmt::format("ended with status {}{}{}", report.resume_status,
                                              report.resume_output.empty() ? "" : ": ", report.resume_output);
    return fmt::format("THE WRITERS MAY STILL BE PAUSED: the resume command {}; run it by hand: {}", how,
                       printable(barrier.resume));
}

PauseGuard::PauseGuard(const BarrierSpec& barrier, const std::string& folder) : barrier_(barrier), folder_(folder) {
    try {
        start(folder);
    } catch (...) {
        let_go();
        throw;
    }
    PauseMessage message{};
    const bool heard = hear(&message, sizeof message, barrier.max_pause_ms + kEndingMs) == Heard::message;
    if (heard && message.status == 0 && message.ended_by_guard == 0) {
        report_.paused = {message.ended_wall_ms, message.ended_mono_ns};
        return;
    }
    const std::string line = last_line_of(pause_output_);
    const PauseReport report = resume();
    let_go();
    check_interrupted();
    std::string what = "the pause command ";
    if (message.ended_by_guard != 0) {
        what += fmt::format("ran longer than max_pause ({}) and was ended", human_duration(barrier.max_pause_ms));
    } else if (heard) {
        what += fmt::format("ended with status {}{}{}", message.status, line.empty() ? "" : ": ", line);
    } else {
        what += "was lost with the process that guards it";
    }
    const std::string problem = resume_problem(report, barrier);
    if (!problem.empty()) throw Error(Code::failed, what + "; nothing was stored", problem);
    throw Error(Code::failed, what + "; the writers were resumed; nothing was stored",
                "run the pause command by hand to see why; max_pause in [barrier] is its limit");
}

void PauseGuard::start(const std::string& folder) {
    std::array<int, 2> down{-1, -1}, up{-1, -1};
    pause_output_ = output_memory();
    resume_output_ = output_memory();
    if (::pipe2(down.data(), O_CLOEXEC) != 0) throw Error::from_errno("making a pipe to", "the guard process", errno);
    to_guard_ = down[1];
    if (::pipe2(up.data(), O_CLOEXEC) != 0) {
        const int error = errno;
        ::close(down[0]);
        throw Error::from_errno("making a pipe to", "the guard process", error);
    }
    from_guard_ = up[0];
    started_ns_ = mono_now_ns();
    const GuardOrders orders = {barrier_.pause.c_str(),
                                barrier_.resume.c_str(),
                                folder.empty() ? "." : folder.c_str(),
                                environ,
                                started_ns_ + barrier_.max_pause_ms * 1'000'000,
                                down[0],
                                up[1],
                                pause_output_,
                                resume_output_};
    // _Fork and not fork: no library's fork handlers run, in a child that must not care about any library's state.
    guard_pid_ = ::_Fork();
    if (guard_pid_ == 0) be_the_guard(orders);
    const int error = errno;
    ::close(down[0]);
    ::close(up[1]);
    if (guard_pid_ < 0) throw Error::from_errno("starting", "the guard process", error);
}

PauseGuard::~PauseGuard() {
    try {
        resume();
    } catch (const std::exception& error) {
        ignore_error(error, "the guard resumes when its pipe closes, which is next");
    }
    let_go();
}

// Closes the pipe, which is an order to resume too, and takes the guard's exit status unless it still runs the resume command.
void PauseGuard::let_go() {
    for (int* fd : {&to_guard_, &from_guard_, &pause_output_, &resume_output_}) close_and_forget(*fd);
    if (guard_pid_ > 0) ::waitpid(guard_pid_, nullptr, report_.resume_status == kResumeStillRunning ? WNOHANG : 0);
    guard_pid_ = -1;
}

// One message of the guard. A signal that comes meanwhile is an order to resume.
PauseGuard::Heard PauseGuard::hear(void* message, size_t size, int64_t limit_ms) {
    const int64_t until_ns = mono_now_ns() + limit_ms * 1'000'000;
    while (mono_now_ns() < until_ns) {
        if (interrupted()) close_and_forget(to_guard_);
        pollfd fd = {from_guard_, POLLIN, 0};
        if (::poll(&fd, 1, kInterruptPollMs) <= 0) continue;
        const ssize_t n = ::read(from_guard_, message, size);
        if (n < 0 && errno == EINTR) continue;
        return n == static_cast<ssize_t>(size) ? Heard::message : Heard::gone;
    }
    return Heard::silence;
}

PauseReport PauseGuard::resume() {
    if (resumed_) return report_;
    resumed_ = true;
    close_and_forget(to_guard_);  // the order, in a form that cannot fail
    ResumeMessage message{};
    report_.resumed = now();
    const Heard heard = hear(&message, sizeof message, barrier_.max_pause_ms + kEndingMs + kResumeLimitMs);
    if (heard == Heard::message) {
        report_.resumed = {message.started_wall_ms, message.started_mono_ns};
        report_.by_deadline = message.by_deadline != 0;
        report_.resume_status = message.status;
        report_.resume_output = last_line_of(resume_output_);
        report_.pause_ms = (message.ended_mono_ns - started_ns_) / 1'000'000;
        return report_;
    }
    report_.resume_status = kResumeStillRunning;
    if (heard == Heard::silence) return report_;
    ::waitpid(guard_pid_, nullptr, 0);
    guard_pid_ = -1;
    // Somebody killed the guard. Whether it got as far as resuming nobody knows: the pause proves nothing, and resuming is ours.
    // (I9)
    report_.paused = {};
    report_.by_deadline = true;
    Command command = Command::shell(barrier_.resume, folder_);
    command.limit_ms = kResumeLimitMs;
    const CommandResult result = run(command);
    report_.resume_status = result.status;
    report_.pause_ms = (mono_now_ns() - started_ns_) / 1'000'000;
    return report_;
}

}  // namespace ingot
