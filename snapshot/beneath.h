// A folder that no path leads out of: every name below it is reached without following a symbolic link on the way, whatever
// other processes do to the tree meanwhile (openat2 with RESOLVE_BENEATH and RESOLVE_NO_SYMLINKS, Linux 5.6; component by
// component with O_NOFOLLOW where the kernel or a sandbox has no openat2).
//
// Restores and materialised trees are written through this only. The folder's own path may hold links: it was configured.
//
// Thread safety: any thread. Errors: Error{not_found} where a folder on the way is missing; Error{failed} "X is reached through
// the symlink Y"; Error{failed} for the rest.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/error.h"

namespace ingot {

// What a name in the file system is, links not followed.
struct LiveStat {
    uint32_t type = 0;  // S_IFREG, S_IFDIR, ...
    uint32_t mode = 0;  // 07777
    uint32_t uid = 0;
    uint32_t gid = 0;
    uint64_t inode = 0;
    uint64_t device = 0;  // of the file system
    uint64_t mount = 0;   // the mount's number (statx, Linux 5.8)
    uint64_t links = 0;
    uint64_t size = 0;
    int64_t mtime_ns = 0;
    int64_t ctime_ns = 0;
    int64_t birth_ns = 0;       // 0 where the file system does not say
    uint32_t device_major = 0;  // of device nodes
    uint32_t device_minor = 0;
    bool mount_root = false;  // something is mounted here
    bool immutable = false;   // chattr +i or +a: cannot be renamed
};

// A name below a Beneath, reached: its folder is held open, so the path stays right while this lives.
class Reached {
public:
    Reached(Reached&& other) noexcept;
    Reached& operator=(Reached&&) = delete;
    ~Reached();

    int folder_fd() const { return fd_; }
    const std::string& leaf() const { return leaf_; }
    // "/proc/self/fd/7/leaf": for calls that take a path. No link but the leaf can be on it.
    const std::string& path() const { return path_; }
    // The same of the folder it lies in.
    const std::string& folder() const { return folder_; }
    // What people call it.
    const std::string& name() const { return name_; }

    std::optional<LiveStat> look() const;  // nothing where it is not there

    // Runs `call(path())`; errors it throws speak of name().
    template <class Call>
    auto run(Call&& call) const {
        try {
            return call(path_);
        } catch (const Error& error) {
            throw spoken(error);
        }
    }
    Error spoken(const Error& error) const;
    std::string spoken(std::string line) const;

private:
    friend class Beneath;
    Reached(int fd, std::string leaf, std::string name);

    int fd_;
    std::string leaf_;
    std::string folder_;
    std::string path_;
    std::string name_;
};

// An error of a file that was opened through a Reached which is gone: its folder is `folder`.
Error spoken_of(const Error& error, const std::string& folder);

class Beneath {
public:
    // Links in `folder` are followed.
    explicit Beneath(const std::string& folder);
    Beneath(Beneath&& other) noexcept;
    Beneath& operator=(Beneath&&) = delete;
    ~Beneath();

    const std::string& folder() const { return folder_; }
    // "a/b/c", or "" for the folder itself. Components must be proper (path_below, snapshot/materialise.h).
    Reached at(const std::string& path) const;
    // A folder from within: its path() is "…/.", and folder() is the folder itself.
    Reached inside(const std::string& path) const;
    std::optional<LiveStat> look(const std::string& path) const;  // nothing also where a folder on the way is missing
    std::string name(const std::string& path) const;

private:
    int open_folder(const std::string& path) const;
    [[noreturn]] void fail_at(const std::string& path, int error) const;

    std::string folder_;
    int fd_ = -1;
};

}  // namespace ingot
