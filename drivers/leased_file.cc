#include "drivers/leased_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <new>

#include "base/interrupt.h"
#include "drivers/tree_walk.h"

namespace ingot {
namespace {

// Between two looks at whether the copy is still wanted.
constexpr size_t kKernelCopyBytes = 64 << 20;
// Reads of this size are where a page cache and a disk both stop getting faster.
constexpr size_t kReadBytes = 1 << 20;

// One piece, from and to the same offset; -1 with errno.
ssize_t copy_by_hand(int from, uint64_t at, std::span<uint8_t> buffer, Spool& to) {
    const ssize_t n = ::pread(from, buffer.data(), buffer.size(), static_cast<off_t>(at));
    if (n > 0) to.write_at(at, buffer.first(static_cast<size_t>(n)));
    return n;
}

Error shorter(const std::string& shown) {
    return {Code::source, fmt::format("{} became shorter while it was read", printable(shown)), "take the snapshot again"};
}

std::string lease_break_time() {
    std::string seconds = "45";
    std::ifstream("/proc/sys/fs/lease-break-time") >> seconds;
    return seconds + " s";
}

SourceFile open_regular(const SourceRoot& root) {
    struct stat st {};
    const std::string& live = root.live_path;
    if (::lstat(live.c_str(), &st) != 0) {
        if (errno != ENOENT && errno != ENOTDIR) throw Error::from_errno("looking at", live, errno, Code::source);
        throw Error(Code::source, fmt::format("{} is not there", printable(live)), "put it back, or mend the source's paths");
    }
    if (!S_ISREG(st.st_mode)) {
        throw Error(Code::source,
                    fmt::format("{} is {}", printable(live), S_ISLNK(st.st_mode) ? "a symlink" : "not a regular file"),
                    S_ISLNK(st.st_mode) ? "declare the file that it points to" : "mend the source's paths");
    }
    return SourceFile(-1, live, live);
}

}  // namespace

bool copy_to_spool(int from, const std::string& shown, uint64_t size_bytes, Spool& to, const std::string& spool_dir,
                   const std::atomic<bool>& abandoned) {
    if (size_bytes > 0 && ::ioctl(to.fd(), FICLONE, from) == 0) {
        if (to.size() < size_bytes) throw shorter(shown);
        return true;
    }
    std::vector<uint8_t> buffer;
    for (uint64_t at = 0; at < size_bytes && !abandoned;) {
        const auto length = static_cast<size_t>(std::min<uint64_t>(kKernelCopyBytes, size_bytes - at));
        auto in = static_cast<off_t>(at), out = in;
        const ssize_t n = buffer.empty() ? ::copy_file_range(from, &in, to.fd(), &out, length, 0)
                                         : copy_by_hand(from, at, std::span(buffer).first(std::min(length, kReadBytes)), to);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && buffer.empty() && errno != ENOSPC && errno != EDQUOT && errno != EIO) {
            buffer.resize(kReadBytes);  // another file system, or one that cannot do it
            continue;
        }
        if (n < 0 && errno == EIO) throw Error::from_errno("reading", shown, errno, Code::source);
        if (n < 0) throw Error::from_errno("writing to a spool in", spool_dir, errno);
        if (n == 0 && buffer.empty()) {
            buffer.resize(kReadBytes);  // some file systems say "end" where they mean "cannot"
            continue;
        }
        if (n == 0) throw shorter(shown);
        at += static_cast<uint64_t>(n);
    }
    return false;
}

LeasedFile::LeasedFile(SourceRoot root, std::string spool_dir)
    : root_(std::move(root)),
      spool_dir_(std::move(spool_dir)),
      file_(open_regular(root_)),
      stat_(file_.stat()),
      ahead_(file_.fd(), 0) {
    if (!S_ISREG(stat_.st_mode)) {
        throw Error(Code::source, fmt::format("{} is not a regular file any more", printable(root_.live_path)),
                    "take the snapshot again");
    }
}

LeasedFile::~LeasedFile() { release(); }

PinnedStat LeasedFile::pinned_stat() const { return ingot::pinned_stat(stat_); }

Lease LeasedFile::take_lease(const LeaseWatch& watch) {
    const std::lock_guard lock(mutex_);
    lease_ = watch.take(file_.fd());
    if (lease_ != Lease::granted) return lease_;
    leased_ = true;
    stat_ = file_.stat();  // what it was before the lease counts for nothing
    ahead_ = ReadAhead(file_.fd(), static_cast<uint64_t>(stat_.st_size));
    return lease_;
}

void LeasedFile::copy() {
    stat_ = file_.stat();
    Spool spool(spool_dir_);
    const std::atomic<bool> never = false;
    cloned_ = copy_to_spool(file_.fd(), root_.live_path, static_cast<uint64_t>(stat_.st_size), spool, spool_dir_, never);
    const std::lock_guard lock(mutex_);
    spool_.emplace(std::move(spool));
}

bool LeasedFile::still_so() {
    if (was_leased()) {
        const std::lock_guard lock(mutex_);
        return leased_ && !failure_ && unchanged() && named();
    }
    // A clone is one moment's by itself: the file system shares the blocks of a file while nobody can write to it.
    std::vector<uint8_t> mine(cloned_ ? 0 : kReadBytes), live(mine.size());
    const auto size = static_cast<uint64_t>(stat_.st_size);
    for (uint64_t at = 0; at < size && !cloned_; at += mine.size()) {
        check_interrupted();
        const auto length = static_cast<size_t>(std::min<uint64_t>(mine.size(), size - at));
        if (spool_->read_at(at, std::span(mine).first(length)) != length) return false;
        for (size_t have = 0; have < length;) {
            const ssize_t n = ::pread(file_.fd(), live.data() + have, length - have, static_cast<off_t>(at + have));
            if (n < 0 && errno == EINTR) continue;
            if (n < 0) throw Error::from_errno("reading", root_.live_path, errno, Code::source);
            if (n == 0) return false;
            have += static_cast<size_t>(n);
        }
        if (std::memcmp(mine.data(), live.data(), length) != 0) return false;
    }
    return ingot::pinned_stat(file_.stat()) == pinned_stat() && named();
}

// A rename or another link changes ctime; content cannot change without size or mtime under a lease.
bool LeasedFile::unchanged() const {
    const PinnedStat then = pinned_stat(), now = ingot::pinned_stat(file_.stat());
    return then.size == now.size && then.mtime_ns == now.mtime_ns;
}

bool LeasedFile::named() const {
    struct stat st {};
    return ::lstat(root_.live_path.c_str(), &st) == 0 && st.st_dev == stat_.st_dev && st.st_ino == stat_.st_ino;
}

size_t LeasedFile::read_at(uint64_t offset, std::span<uint8_t> out) {
    // Held while reading: the lease is not given up under a read.
    std::unique_lock lock(mutex_);
    copied_.wait(lock, [&] { return !copying_; });
    if (failure_) throw *failure_;
    const auto size = static_cast<uint64_t>(stat_.st_size);
    out = out.first(static_cast<size_t>(std::min<uint64_t>(out.size(), size - std::min(size, offset))));
    if (spool_) return spool_->read_at(offset, out);
    if (!leased_) throw Error(Code::source, fmt::format("{} was let go before it was read", printable(root_.live_path)));
    ahead_.reading(offset, out.size());
    for (;;) {
        const ssize_t n = ::pread(file_.fd(), out.data(), out.size(), static_cast<off_t>(offset));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) throw Error::from_errno("reading", root_.live_path, errno, Code::source);
        if (n == 0 && !out.empty()) throw taken_away();  // under a lease it cannot become shorter
        return static_cast<size_t>(n);
    }
}

bool LeasedFile::intact() {
    const std::lock_guard lock(mutex_);
    if (!failure_ && !spool_ && !unchanged()) failure_ = taken_away();
    return !failure_;
}

void LeasedFile::release() {
    const std::lock_guard lock(mutex_);
    give_up();
}

void LeasedFile::give_up() {
    if (leased_) LeaseWatch::give_up(file_.fd());
    leased_ = false;
}

bool LeasedFile::wanted_back() {
    const std::lock_guard lock(mutex_);
    return leased_ && LeaseWatch::wanted_back(file_.fd());
}

void LeasedFile::give_way(const std::atomic<bool>& abandoned) {
    {
        const std::lock_guard lock(mutex_);
        copying_ = true;
    }
    std::optional<Spool> spool;
    std::optional<Error> failure;
    try {
        spool.emplace(spool_dir_);
        copy_to_spool(file_.fd(), root_.live_path, static_cast<uint64_t>(stat_.st_size), *spool, spool_dir_, abandoned);
    } catch (const Error& error) {
        failure = error;
    } catch (const std::bad_alloc&) {  // this is a thread's own work: what is thrown here would end the process
        failure = Error(Code::failed, fmt::format("there is no memory to copy {}", printable(root_.live_path)));
    }
    const std::lock_guard lock(mutex_);
    copying_ = false;
    copied_.notify_all();
    if (!leased_) return;  // it was delivered meanwhile
    try {
        if (!failure && !unchanged()) failure = taken_away();
    } catch (const Error& error) {
        failure = error;
    }
    if (failure) {
        failure_ = failure;
    } else if (!abandoned) {
        spool_.emplace(std::move(*spool));
    }
    give_up();
}

Error LeasedFile::taken_away() const {
    return {Code::source,
            fmt::format("{} was written before it was stored: its writer waited {} for us, and the kernel let it through",
                        printable(root_.live_path), lease_break_time()),
            "put the state directory on a disk that takes a copy of it in that time, or pause what writes to it ([barrier])"};
}

}  // namespace ingot
