#include "base/spool.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <utility>

#include "base/error.h"

namespace ingot {

static int open_unlinked(const std::string& folder) {
    int fd = ::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0) return fd;
    if (errno != EOPNOTSUPP && errno != EISDIR) throw Error::from_errno("making a spool in", folder, errno);
    std::string path = folder + "/.spool-XXXXXX";  // file systems without O_TMPFILE
    fd = ::mkostemp(path.data(), O_CLOEXEC);
    if (fd < 0) throw Error::from_errno("making a spool in", folder, errno);
    ::unlink(path.c_str());
    return fd;
}

Spool::Spool(const std::string& folder) : fd_(open_unlinked(folder)), folder_(folder) {}

Spool::Spool(Spool&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), appended_(other.appended_), folder_(std::move(other.folder_)) {}

Spool::~Spool() {
    if (fd_ >= 0) ::close(fd_);
}

void Spool::append(ByteView bytes) {
    write_at(appended_, bytes);
    appended_ += bytes.size();
}

void Spool::write_at(uint64_t offset, ByteView bytes) {
    while (!bytes.empty()) {
        const ssize_t n = ::pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) throw Error::from_errno("writing to a spool in", folder_, errno);
        bytes = bytes.subspan(static_cast<size_t>(n));
        offset += static_cast<uint64_t>(n);
    }
}

size_t Spool::read_at(uint64_t offset, std::span<uint8_t> out) const {
    size_t done = 0;
    while (done < out.size()) {
        const ssize_t n = ::pread(fd_, out.data() + done, out.size() - done, static_cast<off_t>(offset + done));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) throw Error::from_errno("reading a spool in", folder_, errno);
        if (n == 0) break;
        done += static_cast<size_t>(n);
    }
    return done;
}

uint64_t Spool::size() const {
    struct stat st {};
    if (::fstat(fd_, &st) != 0) throw Error::from_errno("asking the size of a spool in", folder_, errno);
    return static_cast<uint64_t>(st.st_size);
}

std::string Spool::path() const { return fmt::format("/proc/self/fd/{}", fd_); }

}  // namespace ingot
