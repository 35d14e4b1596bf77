#include "drivers/tree_walk.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>

#include "base/error.h"
#include "base/interrupt.h"
#include "base/metadata.h"
#include "drivers/folder_names.h"
#include "drivers/source_paths.h"

namespace ingot {
namespace {

// Descriptors kept open on the way down. Deeper folders are reopened by path on the way back up.
constexpr size_t kOpenFolders = 64;
constexpr size_t kNotesShown = 20;

int64_t nanoseconds(const timespec& time) { return time.tv_sec * 1'000'000'000 + time.tv_nsec; }

int open_folder(int at, const char* path) {
    const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    const int fd = ::openat(at, path, flags | O_NOATIME);
    return fd < 0 && errno == EPERM ? ::openat(at, path, flags) : fd;
}

class Folder {
public:
    Folder(int fd, size_t path_length) : path_length_(path_length), fd_(fd) {}
    Folder(Folder&& other) noexcept
        : names(std::move(other.names)), next(other.next), path_length_(other.path_length_), fd_(std::exchange(other.fd_, -1)) {}
    Folder& operator=(Folder&&) = delete;
    ~Folder() { close(); }

    void close() {
        if (fd_ >= 0) ::close(fd_);
        fd_ = -1;
    }
    // -1 with errno where the folder cannot be opened again.
    int fd(const std::string& live) {
        if (fd_ < 0) fd_ = open_folder(AT_FDCWD, live.substr(0, path_length_).c_str());
        return fd_;
    }
    size_t path_length() const { return path_length_; }

    FolderNames names;
    size_t next = 0;

private:
    size_t path_length_;
    int fd_;
};

class Walker {
public:
    Walker(const TreeRules& rules, Spool& entries, Spool& folders) : rules_(rules), out_(entries), out_folders_(folders) {}

    TreeWalk walk() {
        for (const SourceRoot& root : rules_.roots) walk_root(root);
        if (!walk_.missing_roots.empty() && walk_.missing_roots.size() == rules_.roots.size()) {
            throw Error(Code::source, fmt::format("{} is not there any more", printable(walk_.missing_roots.front())),
                        "put it back, or take it out of the config");
        }
        out_.flush();
        out_folders_.flush();
        return std::move(walk_);
    }

private:
    void walk_root(const SourceRoot& root) {
        live_ = root.live_path;
        listing_ = root.listing_path;
        live_root_ = root.live_path.size();
        if (!visit(AT_FDCWD, live_.c_str())) {
            walk_.missing_roots.push_back(root.live_path);
            return;
        }
        while (!folders_.empty()) {
            Folder& folder = folders_.back();
            set_length(folder.path_length());
            if (folder.next == folder.names.size()) {
                folders_.pop_back();
                continue;
            }
            const int fd = folder.fd(live_);
            if (fd < 0) {
                unreadable("opening the folder again", errno);
                folders_.pop_back();
                continue;
            }
            const char* name = folder.names.at(folder.next++);
            if (live_.back() != '/') live_ += '/';
            if (listing_.back() != '/') listing_ += '/';
            live_ += name;
            listing_ += name;
            if (!rules_.exclude.empty() && rules_.exclude.matches(rules_.pattern_path(live_))) continue;
            visit(fd, name);
        }
    }

    void set_length(size_t live_length) {
        listing_.resize(listing_.size() - (live_.size() - live_length));
        live_.resize(live_length);
    }

    // False where nothing is there.
    bool visit(int at, const char* name) {
        if ((++visited_ & 0xfff) == 0) check_interrupted();
        struct stat st {};
        if (::fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) != 0) {
            if (errno == ENOENT || errno == ENOTDIR) return false;
            unreadable("looking at", errno);
            return true;
        }
        if (S_ISSOCK(st.st_mode)) {
            walk_.notes.add(fmt::format("{} is a socket and is left out", printable(listing_)));
            return true;
        }
        if (S_ISDIR(st.st_mode)) return enter(at, name);
        TreeRecord record = describe(st);
        if (S_ISLNK(st.st_mode) && !read_link(at, name, record)) return true;
        if (S_ISREG(st.st_mode)) look_for_other_names(st, record);
        return write(record);
    }

    bool enter(int at, const char* name) {
        const int fd = open_folder(at, name);
        if (fd < 0) {
            if (errno == ENOENT || errno == ENOTDIR || errno == ELOOP) return false;
            unreadable("opening the folder", errno);
            return true;
        }
        Folder folder(fd, live_.size());
        struct stat st {};
        int error = ::fstat(fd, &st) == 0 ? 0 : errno;  // of the folder that was opened, before its names are read
        if (error == 0) error = folder.names.read(fd);
        if (error != 0) {
            unreadable("reading the folder", error);
            return true;
        }
        TreeRecord record = describe(st);
        record.names_digest = folder.names.digest();
        if (!write(record)) return false;
        if (folders_.size() >= kOpenFolders) folders_[folders_.size() - kOpenFolders].close();
        folders_.push_back(std::move(folder));
        return true;
    }

    TreeRecord describe(const struct stat& st) const {
        TreeRecord record;
        record.stat = pinned_stat(st);
        Entry& entry = record.entry;
        entry.path = listing_;
        entry.mode = st.st_mode & 07777;
        entry.uid = st.st_uid;
        entry.gid = st.st_gid;
        entry.mtime_ns = nanoseconds(st.st_mtim);
        switch (st.st_mode & S_IFMT) {
            case S_IFDIR:
                entry.type = EntryType::directory;
                break;
            case S_IFLNK:
                entry.type = EntryType::symlink;
                break;
            case S_IFIFO:
                entry.type = EntryType::fifo;
                break;
            case S_IFBLK:
            case S_IFCHR:
                entry.type = S_ISBLK(st.st_mode) ? EntryType::block_device : EntryType::char_device;
                entry.device_major = major(st.st_rdev);
                entry.device_minor = minor(st.st_rdev);
                break;
            default:
                entry.type = EntryType::file;
                entry.size = static_cast<uint64_t>(st.st_size);
                entry.sparse = st.st_blocks * 512 < st.st_size;
                entry.growing = !rules_.growing.empty() && rules_.grows(live_);
        }
        return record;
    }

    // False where the link vanished, or is none any more.
    bool read_link(int at, const char* name, TreeRecord& record) {
        std::string target(4096, '\0');  // the kernel's limit
        const ssize_t n = ::readlinkat(at, name, target.data(), target.size());
        if (n < 0) {
            if (errno != ENOENT && errno != EINVAL) unreadable("reading the link", errno);
            return false;
        }
        record.entry.link.assign(target, 0, static_cast<size_t>(n));
        if (live_.size() == live_root_) {
            walk_.notes.add(
                fmt::format("{} is a symlink to {}: the link is stored, what it points to only where that is declared too",
                            printable(listing_), printable(record.entry.link)));
        }
        return true;
    }

    // Only files with several names are remembered, and only until the last of them was seen.
    void look_for_other_names(const struct stat& st, TreeRecord& record) {
        if (st.st_nlink < 2) return;
        const auto [found, is_first] = links_.try_emplace({st.st_dev, st.st_ino}, FirstName{listing_, st.st_nlink});
        if (!is_first) {
            record.entry.type = EntryType::hard_link;
            record.entry.link = found->second.path;
            record.entry.sparse = record.entry.growing = false;
            record.entry.size = 0;  // the first name has the bytes
        }
        if (--found->second.left == 0) links_.erase(found);
    }

    bool write(TreeRecord& record) {
        if (record.entry.type != EntryType::symlink) {
            try {
                record.entry.xattrs = xattrs_of(live_);
            } catch (const Error& error) {
                if (error.code() == Code::not_found) return false;
                unreadable(error);
                return true;
            }
        }
        count(record.entry);
        out_.write(record);
        if (record.entry.type == EntryType::directory) out_folders_.write(record);
        return true;
    }

    void count(const Entry& entry) {
        TreeTotals& totals = walk_.totals;
        switch (entry.type) {
            case EntryType::file:
                ++totals.files;
                totals.bytes += entry.size;
                break;
            case EntryType::directory:
                ++totals.directories;
                break;
            case EntryType::symlink:
                ++totals.symlinks;
                break;
            case EntryType::hard_link:
                ++totals.hard_links;
                break;
            default:
                ++totals.specials;
        }
    }

    void unreadable(std::string_view op, int error) { unreadable(Error::from_errno(op, live_, error, Code::source)); }

    void unreadable(const Error& error) {
        TreeRecord record;
        record.entry.path = listing_;
        record.unreadable = true;
        record.problem = error.what();
        record.hint = error.hint().empty() ? "mend it, or add it to `exclude`" : error.hint() + ", or add it to `exclude`";
        out_.write(record);
    }

    struct FirstName {
        std::string path;
        nlink_t left;
    };

    const TreeRules& rules_;
    TreeRecordWriter out_;
    TreeRecordWriter out_folders_;
    TreeWalk walk_;
    std::vector<Folder> folders_;
    std::map<std::pair<dev_t, ino_t>, FirstName> links_;
    std::string live_;
    std::string listing_;
    size_t live_root_ = 0;
    uint64_t visited_ = 0;
};

}  // namespace

void Notes::add(std::string line) {
    if (count_++ < kNotesShown) first_.push_back(std::move(line));
}

std::vector<std::string> Notes::lines() const {
    std::vector<std::string> out = first_;
    if (count_ > kNotesShown) out.push_back(fmt::format("... and {} more of this kind", count_ - kNotesShown));
    return out;
}

TreeRules TreeRules::from(const SourceSpec& spec) {
    TreeRules rules;
    rules.stack_root = live_path_from(spec.root, ".");
    rules.roots = roots_from(spec);
    const auto below_root = [&](std::vector<std::string> patterns) {
        for (std::string& pattern : patterns) {
            if (pattern.empty())
                throw Error(Code::usage, fmt::format("source {} has an empty pattern", spec.name), "take it out");
            if (pattern.starts_with('/')) pattern = listing_path_from(rules.stack_root, pattern);
        }
        return GlobSet(patterns);
    };
    rules.exclude = below_root(spec.exclude);
    rules.growing = below_root(spec.growing);
    // A declared path within another root that a pattern takes out would be left out in silence.
    for (const std::string& path : spec.paths) {
        if (!rules.excluded(live_path_from(spec.root, path))) continue;
        throw Error(Code::usage, fmt::format("source {} declares {} and excludes it too", spec.name, printable(path)),
                    "take the path out of `paths`, or narrow the pattern in `exclude`");
    }
    return rules;
}

std::string_view TreeRules::pattern_path(std::string_view live_path) const {
    if (live_path.size() > stack_root.size() && is_within(live_path, stack_root)) {
        live_path.remove_prefix(stack_root == "/" ? 1 : stack_root.size() + 1);
    }
    return live_path;
}

bool TreeRules::excluded(const std::string& live_path) const {
    if (exclude.empty()) return false;
    for (const SourceRoot& root : roots) {
        if (!is_within(live_path, root.live_path)) continue;
        const std::string_view path = pattern_path(live_path);
        const size_t cut = live_path.size() - path.size();  // what pattern_path took off
        const size_t above = root.live_path.size() > cut ? root.live_path.size() - cut : 0;
        return exclude.matches_or_below(path, path.substr(0, above));
    }
    return exclude.matches_or_below(pattern_path(live_path));
}

bool TreeRules::grows(const std::string& live_path) const { return growing.matches_or_below(pattern_path(live_path)); }

TreeWalk walk_tree(const TreeRules& rules, Spool& entries, Spool& folders) { return Walker(rules, entries, folders).walk(); }

std::vector<std::string> changed_folders(const TreeRules& rules, const Spool& folders, int64_t walk_began_wall_ns) {
    std::vector<std::string> changed;
    TreeRecordReader records(folders);
    while (const std::optional<TreeRecord> record = records.next()) {
        const std::string live = live_path_of(rules.stack_root, record->entry.path);
        struct stat st {};
        bool same = ::lstat(live.c_str(), &st) == 0 && pinned_stat(st) == record->stat;
        if (same && record->stat.ctime_ns > walk_began_wall_ns - kClockTickNs) {
            // Changed so shortly before it was read that a change after that can bear the same time: the names themselves decide.
            Folder folder(open_folder(AT_FDCWD, live.c_str()), 0);
            same =
                folder.fd(live) >= 0 && folder.names.read(folder.fd(live)) == 0 && folder.names.digest() == record->names_digest;
        }
        if (!same) changed.push_back(record->entry.path);
        if (changed.size() > kNotesShown) break;
    }
    return changed;
}

PinnedStat pinned_stat(const struct stat& st) {
    return {.device = st.st_dev,
            .inode = st.st_ino,
            .mtime_ns = nanoseconds(st.st_mtim),
            .ctime_ns = nanoseconds(st.st_ctim),
            .size = static_cast<uint64_t>(st.st_size)};
}

int64_t wall_now_ns() {
    timespec time{};
    ::clock_gettime(CLOCK_REALTIME, &time);
    return nanoseconds(time);
}

}  // namespace ingot
