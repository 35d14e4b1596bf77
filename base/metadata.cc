#include "base/metadata.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/error.h"

namespace ingot {
namespace {

int64_t nanoseconds(const timespec& time) { return time.tv_sec * 1'000'000'000 + time.tv_nsec; }

timespec timespec_of(int64_t ns) {
    // Times before 1970 are negative; tv_nsec never is.
    int64_t seconds = ns / 1'000'000'000;
    int64_t rest = ns % 1'000'000'000;
    if (rest < 0) {
        rest += 1'000'000'000;
        --seconds;
    }
    return {.tv_sec = seconds, .tv_nsec = rest};
}

// Attributes that belong to the file's content and rights. security.selinux and the like are given by the system a file is on.
bool wanted(std::string_view name) {
    static const bool is_root = ::geteuid() == 0;
    return name.starts_with("user.") || name == "security.capability" || name.starts_with("system.posix_acl_") ||
           (is_root && name.starts_with("trusted."));
}

[[noreturn]] void fail(std::string_view op, const std::string& path, int error) {
    throw Error::from_errno(op, path, error, error == ENOENT ? Code::not_found : Code::failed);
}

// The names, each ended by NUL; empty where the file system has no attributes.
std::string attribute_names(const std::string& path) {
    std::string names(1024, '\0');
    for (;;) {
        const ssize_t n = ::llistxattr(path.c_str(), names.data(), names.size());
        if (n >= 0) {
            names.resize(static_cast<size_t>(n));
            return names;
        }
        if (errno == ENOTSUP) return {};
        if (errno != ERANGE) fail("listing the extended attributes of", path, errno);
        names.resize(names.size() * 8);  // the kernel's own limit is 64 KiB
    }
}

// False where the attribute vanished since it was listed.
bool read_attribute(const std::string& path, const char* name, std::string& value) {
    value.resize(256);
    for (;;) {
        const ssize_t n = ::lgetxattr(path.c_str(), name, value.data(), value.size());
        if (n >= 0) {
            value.resize(static_cast<size_t>(n));
            return true;
        }
        if (errno == ENODATA || errno == ENOTSUP) return false;
        if (errno != ERANGE) fail(fmt::format("reading the extended attribute {} of", printable(name)), path, errno);
        value.resize(value.size() * 16);
    }
}

class Applier {
public:
    Applier(const std::string& path, bool is_symlink) : path_(path), is_symlink_(is_symlink) {}

    std::vector<std::string> apply(const Metadata& wish) {
        struct stat st {};
        if (!look(st)) return problems_;
        if (st.st_uid != wish.uid || st.st_gid != wish.gid) {
            if (::lchown(path_.c_str(), wish.uid, wish.gid) != 0) problem(fmt::format("owner {}:{}", wish.uid, wish.gid));
        }
        if (!is_symlink_) {
            set_attributes(wish);
            // A change of owner clears the set-user-id bit, an ACL changes the group bits: look again before the mode is
            // compared.
            if (!look(st)) return problems_;
            if ((st.st_mode & 07777) != wish.mode && ::fchmodat(AT_FDCWD, path_.c_str(), wish.mode, AT_SYMLINK_NOFOLLOW) != 0) {
                problem(fmt::format("mode {:04o}", wish.mode));
            }
        }
        if (!look(st)) return problems_;
        if (nanoseconds(st.st_mtim) != wish.mtime_ns) {
            const timespec times[2] = {{.tv_sec = 0, .tv_nsec = UTIME_OMIT}, timespec_of(wish.mtime_ns)};
            if (::utimensat(AT_FDCWD, path_.c_str(), times, AT_SYMLINK_NOFOLLOW) != 0) problem("modification time");
        }
        return problems_;
    }

private:
    void problem(std::string_view attribute) {
        const int error = errno;
        problems_.push_back(fmt::format("{} of {}: {}", attribute, printable(path_), std::strerror(error)));
    }

    bool look(struct stat& st) {
        if (::lstat(path_.c_str(), &st) == 0) return true;
        problem("all attributes");
        return false;
    }

    void set_attributes(const Metadata& wish) {
        std::vector<std::pair<std::string, std::string>> there;
        try {
            there = xattrs_of(path_);
        } catch (const Error& error) {
            problems_.push_back(error.what());
            return;
        }
        for (const auto& [name, value] : there) {
            const bool kept =
                std::any_of(wish.xattrs.begin(), wish.xattrs.end(), [&, key = name](const auto& x) { return x.first == key; });
            if (!kept && ::lremovexattr(path_.c_str(), name.c_str()) != 0)
                problem("removal of extended attribute " + printable(name));
        }
        for (const auto& wished : wish.xattrs) {
            if (std::find(there.begin(), there.end(), wished) != there.end()) continue;
            if (set_attribute(wished.first, wished.second)) continue;
            problem("extended attribute " + printable(wished.first));
        }
    }

    bool set_attribute(const std::string& name, const std::string& value) {
        if (::lsetxattr(path_.c_str(), name.c_str(), value.data(), value.size(), 0) == 0) return true;
        if (errno != EACCES) return false;
        // user. attributes need the right to write; the mode comes after them and takes it away again.
        struct stat st {};
        if (::lstat(path_.c_str(), &st) != 0) return false;
        if (::fchmodat(AT_FDCWD, path_.c_str(), (st.st_mode & 07777) | 0200, AT_SYMLINK_NOFOLLOW) != 0) return false;
        return ::lsetxattr(path_.c_str(), name.c_str(), value.data(), value.size(), 0) == 0;
    }

    const std::string& path_;
    bool is_symlink_;
    std::vector<std::string> problems_;
};

}  // namespace

struct stat stat_of(const std::string& path) {
    struct stat st {};
    if (::lstat(path.c_str(), &st) != 0) {
        const int error = errno;
        fail("looking at", path, error == ENOTDIR ? ENOENT : error);
    }
    return st;
}

std::vector<std::pair<std::string, std::string>> xattrs_of(const std::string& path) {
    const std::string names = attribute_names(path);
    std::vector<std::pair<std::string, std::string>> out;
    std::string value;
    for (size_t at = 0; at < names.size();) {
        const std::string name = names.c_str() + at;
        at += name.size() + 1;
        if (wanted(name) && read_attribute(path, name.c_str(), value)) out.emplace_back(name, value);
    }
    std::sort(out.begin(), out.end());
    return out;
}

Metadata metadata_of(const std::string& path) {
    const struct stat st = stat_of(path);
    return {.mode = st.st_mode & 07777,
            .uid = st.st_uid,
            .gid = st.st_gid,
            .mtime_ns = nanoseconds(st.st_mtim),
            .xattrs = S_ISLNK(st.st_mode) ? std::vector<std::pair<std::string, std::string>>{} : xattrs_of(path)};
}

std::vector<std::string> apply_metadata(const std::string& path, const Metadata& metadata, bool is_symlink) {
    return Applier(path, is_symlink).apply(metadata);
}

}  // namespace ingot
