#include "snapshot/beneath.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/filesystem.h"

namespace ingot {
namespace {

constexpr int kFolder = O_PATH | O_DIRECTORY | O_CLOEXEC;
constexpr int64_t kNanosecondsPerSecond = 1'000'000'000;

int64_t nanoseconds(const statx_timestamp& time) { return time.tv_sec * kNanosecondsPerSecond + time.tv_nsec; }

std::optional<LiveStat> look_at(int folder, const std::string& leaf, const std::string& name) {
    struct statx st {};
    if (::statx(folder, leaf.c_str(), AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, STATX_BASIC_STATS | STATX_BTIME | STATX_MNT_ID,
                &st) != 0) {
        if (errno == ENOENT || errno == ENOTDIR) return std::nullopt;
        throw Error::from_errno("looking at", name, errno);
    }
    LiveStat live;
    live.type = st.stx_mode & S_IFMT;
    live.mode = st.stx_mode & 07777u;
    live.uid = st.stx_uid;
    live.gid = st.stx_gid;
    live.inode = st.stx_ino;
    live.device = makedev(st.stx_dev_major, st.stx_dev_minor);
    live.mount = st.stx_mnt_id;
    live.links = st.stx_nlink;
    live.size = st.stx_size;
    live.mtime_ns = nanoseconds(st.stx_mtime);
    live.ctime_ns = nanoseconds(st.stx_ctime);
    if ((st.stx_mask & STATX_BTIME) != 0) live.birth_ns = nanoseconds(st.stx_btime);
    live.device_major = st.stx_rdev_major;
    live.device_minor = st.stx_rdev_minor;
    live.mount_root = (st.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
    live.immutable = (st.stx_attributes & (STATX_ATTR_IMMUTABLE | STATX_ATTR_APPEND)) != 0;
    return live;
}

// -1 with errno ENOSYS where there is no openat2; seccomp filters written before it say EPERM.
int open_at_once(int folder, const std::string& path) {
    open_how how{};
    how.flags = kFolder;
    how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
    return static_cast<int>(::syscall(SYS_openat2, folder, path.c_str(), &how, sizeof how));
}

int open_by_component(int folder, const std::string& path) {
    int at = ::openat(folder, ".", kFolder);
    for (size_t from = 0; at >= 0 && from < path.size();) {
        const size_t slash = std::min(path.find('/', from), path.size());
        const int next = ::openat(at, path.substr(from, slash - from).c_str(), kFolder | O_NOFOLLOW);
        const int error = errno;
        ::close(at);
        errno = error;
        at = next;
        from = slash + 1;
    }
    return at;
}

}  // namespace

Reached::Reached(int fd, std::string leaf, std::string name)
    : fd_(fd),
      leaf_(std::move(leaf)),
      folder_(fmt::format("/proc/self/fd/{}", fd)),
      path_(folder_ + "/" + leaf_),
      name_(std::move(name)) {}

Reached::Reached(Reached&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      leaf_(std::move(other.leaf_)),
      folder_(std::move(other.folder_)),
      path_(std::move(other.path_)),
      name_(std::move(other.name_)) {}

Reached::~Reached() {
    if (fd_ >= 0) ::close(fd_);
}

std::optional<LiveStat> Reached::look() const { return look_at(fd_, leaf_, name_); }

std::string Reached::spoken(std::string line) const {
    // The folder's path is enough: the leaf follows it. A number that goes on ("/proc/self/fd/71") is another folder's.
    const std::string said = leaf_ == "." ? printable(name_) : printable(parent_of(name_));
    for (size_t at = line.find(folder_); at != std::string::npos; at = line.find(folder_, at + 1)) {
        const size_t end = at + folder_.size();
        if (end < line.size() && line[end] >= '0' && line[end] <= '9') continue;
        line.replace(at, folder_.size(), said);
    }
    return line;
}

Error spoken_of(const Error& error, const std::string& folder) {
    constexpr std::string_view kDescriptors = "/proc/self/fd/";
    std::string line = error.what();
    for (size_t at = line.find(kDescriptors); at != std::string::npos; at = line.find(kDescriptors, at + 1)) {
        const size_t end = line.find_first_not_of("0123456789", at + kDescriptors.size());
        line.replace(at, std::min(end, line.size()) - at, printable(folder));
    }
    return {error.code(), line, error.hint()};
}

Error Reached::spoken(const Error& error) const { return {error.code(), spoken(std::string(error.what())), error.hint()}; }

Beneath::Beneath(const std::string& folder) : folder_(folder), fd_(::open(folder.c_str(), kFolder)) {
    if (fd_ < 0) throw Error::from_errno("opening the folder", folder, errno, errno == ENOENT ? Code::not_found : Code::failed);
}

Beneath::Beneath(Beneath&& other) noexcept : folder_(std::move(other.folder_)), fd_(std::exchange(other.fd_, -1)) {}

Beneath::~Beneath() {
    if (fd_ >= 0) ::close(fd_);
}

std::string Beneath::name(const std::string& path) const { return path.empty() ? folder_ : join(folder_, path); }

int Beneath::open_folder(const std::string& path) const {
    if (path.empty()) return ::openat(fd_, ".", kFolder);
    const int fd = open_at_once(fd_, path);
    return fd < 0 && (errno == ENOSYS || errno == EPERM) ? open_by_component(fd_, path) : fd;
}

// Which component it was: the longest prefix that can be reached, and the one after it.
void Beneath::fail_at(const std::string& path, int error) const {
    if (error != ELOOP && error != ENOTDIR) {
        throw Error::from_errno("reaching", name(path), error, error == ENOENT ? Code::not_found : Code::failed);
    }
    for (size_t slash = path.find('/');; slash = path.find('/', slash + 1)) {
        const std::string prefix = path.substr(0, slash);
        const std::optional<LiveStat> st = look_at(fd_, prefix, name(prefix));
        if (st && S_ISLNK(st->type)) {
            throw Error(Code::failed,
                        fmt::format("{} is reached through the symlink {}", printable(name(path)), printable(name(prefix))),
                        fmt::format("nothing is written through symlinks: configure the place that {} leads to",
                                    printable(name(prefix))));
        }
        if (st && !S_ISDIR(st->type)) {
            throw Error(Code::failed,
                        fmt::format("{} cannot be reached: {} is not a folder", printable(name(path)), printable(name(prefix))));
        }
        if (slash == std::string::npos) break;
    }
    throw Error::from_errno("reaching", name(path), error);
}

Reached Beneath::at(const std::string& path) const {
    const size_t slash = path.find_last_of('/');
    const std::string parent = slash == std::string::npos ? "" : path.substr(0, slash);
    const int fd = open_folder(parent);
    if (fd < 0) fail_at(parent, errno);
    const std::string leaf = path.empty() ? "." : slash == std::string::npos ? path : path.substr(slash + 1);
    return {fd, leaf, name(path)};
}

Reached Beneath::inside(const std::string& path) const {
    const int fd = open_folder(path);
    if (fd < 0) fail_at(path, errno);
    return {fd, ".", name(path)};
}

std::optional<LiveStat> Beneath::look(const std::string& path) const {
    try {
        return at(path).look();
    } catch (const Error& error) {
        if (error.code() != Code::not_found) throw;
        return std::nullopt;
    }
}

}  // namespace ingot
