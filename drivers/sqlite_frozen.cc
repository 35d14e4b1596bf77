#include "drivers/sqlite_frozen.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>

#include "base/error.h"
#include "drivers/locked_inodes.h"

namespace ingot {
namespace {

int open_database(const std::string& path, Code code) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) throw Error::from_errno("opening", path, errno, code);
    return fd;
}

}  // namespace

bool wal_is_empty(SqliteConnection& pinned) {
    struct stat st {};
    if (::stat((pinned.real_path() + "-wal").c_str(), &st) == 0) return st.st_size == 0;
    return errno == ENOENT;
}

FrozenDatabase::FrozenDatabase(SqliteConnection& pinned, uint64_t size_bytes)
    : path_(pinned.real_path()), code_(pinned.code()), fd_(open_database(path_, code_)), ahead_(fd_, size_bytes) {
    // The descriptor is of the file that SQLite has locked, or it is of no use.
    if (pinned.has_moved()) {
        close_source_file(fd_);
        throw Error(code_, fmt::format("{} was replaced while it was pinned", printable(path_)), "take the snapshot again");
    }
    before_ = look();
}

FrozenDatabase::~FrozenDatabase() { close_source_file(fd_); }

size_t FrozenDatabase::read_at(uint64_t offset, std::span<uint8_t> out) {
    ahead_.reading(offset, out.size());
    for (;;) {
        const ssize_t n = ::pread(fd_, out.data(), out.size(), static_cast<off_t>(offset));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) throw Error::from_errno("reading", path_, errno, code_);
        return static_cast<size_t>(n);
    }
}

void FrozenDatabase::require_unchanged() const {
    const struct stat now = look();
    if (now.st_size == before_.st_size && now.st_mtim.tv_sec == before_.st_mtim.tv_sec &&
        now.st_mtim.tv_nsec == before_.st_mtim.tv_nsec) {
        return;
    }
    throw Error(code_, fmt::format("{} was written to while it was pinned, past SQLite's locks", printable(path_)),
                "find the program that writes to the file itself (a copy, an rsync), then take the snapshot again");
}

struct stat FrozenDatabase::look() const {
    struct stat st {};
    if (::fstat(fd_, &st) != 0) throw Error::from_errno("looking at", path_, errno, code_);
    return st;
}

}  // namespace ingot
