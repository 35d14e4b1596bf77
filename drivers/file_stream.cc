#include "drivers/file_stream.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/error.h"
#include "drivers/locked_inodes.h"
#include "drivers/tree_walk.h"

namespace ingot {
namespace {

// One read(2) at most: keeps an interrupted run from waiting for a gigabyte.
constexpr size_t kReadBytes = 8 << 20;

int open_beneath(int beneath, const std::string& relative, int flags) {
    if (beneath < 0) return ::open(relative.c_str(), flags);
    // A folder on the way that became a symlink since the pin could lead anywhere, into files that only root may read.
    open_how how{};
    how.flags = static_cast<uint64_t>(flags);
    how.resolve = RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH;
    const long fd = ::syscall(SYS_openat2, beneath, relative.c_str(), &how, sizeof how);
    if (fd < 0 && errno == ENOSYS) return ::openat(beneath, relative.c_str(), flags);  // kernels before 5.6
    return static_cast<int>(fd);
}

int open_source(int beneath, const std::string& relative, const std::string& shown) {
    const int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
    int fd = open_beneath(beneath, relative, flags | O_NOATIME);
    if (fd < 0 && errno == EPERM) fd = open_beneath(beneath, relative, flags);  // not the owner's process
    if (fd >= 0) return fd;
    switch (errno) {
        case ENOENT:
        case ENOTDIR:
            throw Error(Code::source, fmt::format("{} vanished after it was pinned", printable(shown)),
                        "take the snapshot again; if such files come and go, exclude them");
        case ELOOP:
            throw Error(Code::source, fmt::format("{} was a file when it was pinned and is a symlink now", printable(shown)),
                        "take the snapshot again");
        default:
            throw Error::from_errno("opening", shown, errno, Code::source);
    }
}

}  // namespace

SourceFile::SourceFile(int beneath, const std::string& relative, const std::string& shown)
    : fd_(open_source(beneath, relative, shown)), shown_(shown) {}

SourceFile::~SourceFile() { close_source_file(fd_); }

struct stat SourceFile::stat() const {
    struct stat st {};
    if (::fstat(fd_, &st) != 0) throw Error::from_errno("looking at", shown_, errno, Code::source);
    return st;
}

FileStream::FileStream(std::unique_ptr<SourceFile> file, Opened opened, std::function<void()> when_settled)
    : file_(std::move(file)),
      opened_(std::move(opened)),
      when_settled_(std::move(when_settled)),
      ahead_(file_->fd(), opened_.length) {
    if (!opened_.skip_holes) data_until_ = opened_.length;
}

std::optional<Section> FileStream::next_section() {
    if (section_given_ || opened_.length == 0) return std::nullopt;
    section_given_ = true;
    Section section = Section::cdc();
    section.length_bytes = opened_.length;
    return section;
}

size_t FileStream::read(std::span<uint8_t> out) {
    const size_t wanted = static_cast<size_t>(std::min<uint64_t>({out.size(), opened_.length - offset_, kReadBytes}));
    if (wanted == 0) return 0;
    if (cut_short_) {
        // The section said how long it is. What is read is void by now, and settled() says so.
        std::memset(out.data(), 0, wanted);
        offset_ += wanted;
        return wanted;
    }
    if (const size_t hole = hole_at(offset_, wanted)) {
        std::memset(out.data(), 0, hole);
        offset_ += hole;
        return hole;
    }
    const size_t limit = static_cast<size_t>(std::min<uint64_t>(wanted, data_until_ - offset_));
    ahead_.reading(offset_, limit);
    for (;;) {
        const ssize_t n = ::pread(file_->fd(), out.data(), limit, static_cast<off_t>(offset_));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) throw Error::from_errno("reading", opened_.shown, errno, Code::source);
        if (n == 0) {
            cut_short_ = true;
            return read(out);
        }
        offset_ += static_cast<uint64_t>(n);
        return static_cast<size_t>(n);
    }
}

// Length of the hole at `offset`, at most `limit`; 0 where there is data, with data_until_ behind it.
size_t FileStream::hole_at(uint64_t offset, size_t limit) {
    if (offset < data_until_) return 0;
    const off_t data = ::lseek(file_->fd(), static_cast<off_t>(offset), SEEK_DATA);
    uint64_t data_at = opened_.length;
    if (data >= 0) {
        data_at = static_cast<uint64_t>(data);
    } else if (errno != ENXIO) {  // ENXIO: a hole up to the end; anything else: no such call here
        data_until_ = opened_.length;
        return 0;
    }
    if (data_at > offset) return static_cast<size_t>(std::min<uint64_t>(limit, data_at - offset));
    const off_t hole = ::lseek(file_->fd(), static_cast<off_t>(offset), SEEK_HOLE);
    data_until_ = hole > static_cast<off_t>(offset) ? static_cast<uint64_t>(hole) : opened_.length;
    return 0;
}

bool FileStream::settled() {
    if (cut_short_) return false;
    const struct stat open_now = file_->stat();
    struct stat named_now {};
    if (::lstat(opened_.live_path.c_str(), &named_now) != 0) return false;
    if (named_now.st_dev != open_now.st_dev || named_now.st_ino != open_now.st_ino) return false;
    const PinnedStat now = pinned_stat(open_now);
    if (opened_.growing ? now.size < opened_.length : !(now == opened_.stat)) return false;
    when_settled_();
    return true;
}

}  // namespace ingot
