// Owner, mode, times and extended attributes of one name in the file system, read and put back without following links.
//
// Thread safety: any thread. Errors: read: Error{failed}/Error{not_found}. apply: never throws for what the file system or the
// user's rights do not allow; it returns one line for each attribute it could not set, and the caller decides.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace ingot {

struct Metadata {
    uint32_t mode = 0;  // permission bits, 07777
    uint32_t uid = 0;
    uint32_t gid = 0;
    int64_t mtime_ns = 0;
    std::vector<std::pair<std::string, std::string>> xattrs;  // sorted by name

    bool operator==(const Metadata&) const = default;
};

// lstat that throws; Error{not_found} where nothing is there.
struct stat stat_of(const std::string& path);

// Extended attributes, sorted by name; user., security.capability and system.posix_acl_* ones (trusted. only as root).
std::vector<std::pair<std::string, std::string>> xattrs_of(const std::string& path);

Metadata metadata_of(const std::string& path);

// In the order owner, xattrs, mode, times, so that none undoes another. Symlinks get owner and times only. Attributes that are
// right already are left alone; extended attributes not in the list are removed.
std::vector<std::string> apply_metadata(const std::string& path, const Metadata& metadata, bool is_symlink);

}  // namespace ingot
