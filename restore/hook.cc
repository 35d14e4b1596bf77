#include "restore/hook.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/clock.h"
#include "base/error.h"
#include "base/interrupt.h"
#include "base/process.h"
#include "restore/timeline.h"

namespace ingot {
namespace {

constexpr int kLockPollMs = 50;
// More than this of a hook's output is given back to the system while it runs: `yes` writes gigabytes.
constexpr off_t kMostOutputBytes = 4 << 20;

// What a hook writes to.
class HookOutput {
public:
    HookOutput() : fd_(::memfd_create("hook output", MFD_CLOEXEC | MFD_ALLOW_SEALING)) {
        if (fd_ < 0) throw Error::from_errno("getting memory for", "a hook's output", errno);
        // Appended: what two processes write does not overlap.
        ::fcntl(fd_, F_SETFL, O_APPEND);
    }
    HookOutput(const HookOutput&) = delete;
    HookOutput& operator=(const HookOutput&) = delete;
    ~HookOutput() {
        // What runs on in the background is told by an error, not by a signal, and fills nothing.
        (void)!::ftruncate(fd_, 0);
        ::fcntl(fd_, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_WRITE);
        ::close(fd_);
    }

    int fd() const { return fd_; }

    void trim() const {
        const off_t end = size();
        if (end - trimmed_ < kMostOutputBytes) return;
        const off_t keep_from = end - static_cast<off_t>(Timeline::kDetailBytes);
        ::fallocate(fd_, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, keep_from);
        trimmed_ = end;
    }

    std::string tail() const {
        std::string text(Timeline::kDetailBytes, '\0');
        const off_t from = std::max<off_t>(0, size() - static_cast<off_t>(text.size()));
        const ssize_t n = ::pread(fd_, text.data(), text.size(), from);
        text.resize(n > 0 ? static_cast<size_t>(n) : 0);
        while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' ')) text.pop_back();
        return text;
    }

private:
    off_t size() const {
        struct stat st {};
        return ::fstat(fd_, &st) == 0 ? st.st_size : 0;
    }

    int fd_;
    mutable off_t trimmed_ = 0;
};

std::string last_line(const std::string& text) {
    const size_t newline = text.find_last_of('\n');
    return printable(newline == std::string::npos ? text : text.substr(newline + 1));
}

}  // namespace

HookRunner::~HookRunner() {
    if (lock_fd_ >= 0) ::close(lock_fd_);
}

bool HookRunner::take_lock() {
    if (lock_fd_ < 0) {
        lock_fd_ = ::open(lock_path_.c_str(), O_RDONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (lock_fd_ < 0) throw Error::from_errno("making the lock file", lock_path_, errno);
    }
    return ::flock(lock_fd_, LOCK_EX | LOCK_NB) == 0;
}

bool HookRunner::wait_for_orphans(int64_t limit_ms) {
    const int64_t until_ns = mono_now_ns() + limit_ms * 1'000'000;
    while (!take_lock()) {
        if (mono_now_ns() >= until_ns) return false;
        ::poll(nullptr, 0, kLockPollMs);
    }
    return true;
}

std::string HookRunner::run(const Hook& hook) {
    try {
        (void)take_lock();  // a state directory that takes no more files must not keep services from being started
    } catch (const Error& error) {
        ignore_error(error, "the hook runs without it: a crash during it is then recovered from without waiting for it");
    }
    const HookOutput output;
    Command command = Command::shell(hook.command, hook.folder);
    command.environment = hook.environment;
    command.limit_ms = hook.timeout_ms;
    command.input_fd = lock_fd_;
    command.output_fd = output.fd();
    command.stop_when = [&] {
        output.trim();
        return hook.may_be_interrupted && interrupted();
    };
    CommandResult result;
    try {
        result = ingot::run(command);
    } catch (const Error& error) {
        const std::string said = last_line(output.tail());
        throw Error(error.code(),
                    fmt::format("the hook {}: {}{}{}", hook.name, error.what(), said.empty() ? "" : "; it had said: ", said),
                    error.hint().empty()
                        ? fmt::format("run it by hand to see why; `timeout` is its limit ({})", human_duration(hook.timeout_ms))
                        : error.hint());
    }
    std::string tail = output.tail();
    if (result.status == 0) return tail;
    const std::string said = last_line(tail);
    throw Error(Code::failed,
                fmt::format("the hook {} ended with status {}{}{}", hook.name, result.status, said.empty() ? "" : ": ", said),
                fmt::format("run it by hand to see why: {}", printable(hook.command)));
}

}  // namespace ingot
