#include "drivers/tree_pin.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>

#include "base/error.h"
#include "base/metadata.h"
#include "drivers/file_stream.h"
#include "drivers/source_paths.h"

namespace ingot {
namespace {

// A tree that changes under the walk is walked again, as long as that costs the writers next to nothing.
constexpr int kWalks = 3;
constexpr int64_t kQuickWalkNs = 250'000'000;
// File systems stamp in steps of up to 2 s (FAT, some network ones). Within that a changed file can bear its old time.
constexpr int64_t kTooRecentNs = 2'000'000'000;
// A hole is believed only of a file left alone for so long: file systems have reported data not yet on the disk as a hole.
constexpr int64_t kHolesSettleNs = 60'000'000'000;

void wait_for_clock_tick() {
    timespec began{}, now{};
    ::clock_gettime(CLOCK_REALTIME_COARSE, &began);
    do {
        const timespec pause{.tv_sec = 0, .tv_nsec = 500'000};
        ::nanosleep(&pause, nullptr);
        ::clock_gettime(CLOCK_REALTIME_COARSE, &now);
    } while (now.tv_sec == began.tv_sec && now.tv_nsec == began.tv_nsec);
}

}  // namespace

Bytes fingerprint_of(const PinnedStat& stat, uint64_t size, int64_t wall_ns) {
    if (std::max(stat.mtime_ns, stat.ctime_ns) > wall_ns - kTooRecentNs) return {};
    Encoder out;
    out.u64(stat.device).u64(stat.inode).u64(size).i64(stat.mtime_ns).i64(stat.ctime_ns);
    return out.take();
}

TreePin::TreePin(const SourceSpec& spec, const TreeRules& rules) : spec_(spec), rules_(rules) {
    for (int left = kWalks; left > 0; --left) {
        walk();
        if (torn_.empty() || moment_.last.mono_ns - moment_.first.mono_ns > kQuickWalkNs) break;
    }
    name_missing();
    reader_.emplace(*spool_);
}

TreePin::~TreePin() {
    for (const auto& [root, fd] : root_fds_) {
        if (fd >= 0) ::close(fd);
    }
}

void TreePin::walk() {
    spool_ = std::make_unique<Spool>(spec_.spool_dir);
    Spool folders(spec_.spool_dir);
    moment_.first = now();
    const int64_t began = wall_now_ns();
    walk_ = walk_tree(rules_, *spool_, folders);
    wait_for_clock_tick();
    torn_ = changed_folders(rules_, folders, began);
    moment_.last = now();
}

// Each declared path, not each root: one that lies within another must be there too.
void TreePin::name_missing() {
    const std::vector<std::string>& roots = walk_.missing_roots;
    for (const std::string& path : spec_.paths) {
        const std::string live = live_path_from(spec_.root, path);
        struct stat st {};
        const bool gone = std::find(roots.begin(), roots.end(), live) != roots.end() ||
                          (::lstat(live.c_str(), &st) != 0 && (errno == ENOENT || errno == ENOTDIR));
        if (gone) {
            missing_.push_back(Error(Code::source, fmt::format("{} is not there", printable(live)),
                                     fmt::format("put it back, or mend `paths` of [sources.{}]", spec_.name)));
        }
    }
}

std::optional<Entry> TreePin::next() {
    if (missing_named_ < missing_.size()) throw missing_[missing_named_++];
    std::optional<TreeRecord> record = reader_->next();
    if (!record) return std::nullopt;
    current_ = std::move(*record);
    if (current_.unreadable) throw Error(Code::source, current_.problem, current_.hint);
    if (current_.entry.type == EntryType::file) {
        current_.entry.fingerprint = fingerprint_of(current_.stat, current_.entry.size, moment_.last.wall_ms * 1'000'000);
    }
    delivered_ = current_.entry;
    return current_.entry;
}

// The open folder that `live` lies below, and the path from there. -1 for a root that is a file.
int TreePin::root_fd_of(const std::string& live, std::string& relative) {
    for (const SourceRoot& root : rules_.roots) {
        if (!is_within(live, root.live_path) || live.size() == root.live_path.size()) continue;
        relative = live.substr(root.live_path == "/" ? 1 : root.live_path.size() + 1);
        const auto known =
            std::find_if(root_fds_.begin(), root_fds_.end(), [&](const auto& x) { return x.first == root.live_path; });
        if (known != root_fds_.end()) return known->second;
        const int fd = ::open(root.live_path.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0) throw Error::from_errno("opening the folder", root.live_path, errno, Code::source);
        root_fds_.emplace_back(root.live_path, fd);
        return fd;
    }
    relative = live;
    return -1;
}

std::unique_ptr<Stream> TreePin::open(const Entry& entry) {
    const std::string live = live_path_of(rules_.stack_root, entry.path);
    std::string relative;
    const int beneath = root_fd_of(live, relative);
    auto file = std::make_unique<SourceFile>(beneath, relative, live);
    const struct stat st = file->stat();
    if (!S_ISREG(st.st_mode)) {
        throw Error(Code::source, fmt::format("{} was a file when it was pinned and is something else now", printable(live)),
                    "take the snapshot again");
    }
    FileStream::Opened opened;
    opened.live_path = live;
    opened.shown = live;
    opened.stat = pinned_stat(st);
    opened.length = opened.stat.size;
    const bool same_file = opened.stat.device == current_.stat.device && opened.stat.inode == current_.stat.inode;
    if (entry.growing && same_file && opened.stat.size >= current_.stat.size) {
        opened.growing = true;
        opened.length = current_.stat.size;
    }
    opened.skip_holes = st.st_blocks * 512 < st.st_size && !opened.growing &&
                        std::max(opened.stat.mtime_ns, opened.stat.ctime_ns) < wall_now_ns() - kHolesSettleNs;
    const uint64_t length = opened.length;
    return std::make_unique<FileStream>(std::move(file), std::move(opened),
                                        [this, st, live, length] { delivered(st, live, length); });
}

void TreePin::delivered(const struct stat& st, const std::string& live, uint64_t length) {
    const PinnedStat read = pinned_stat(st);
    delivered_ = current_.entry;
    const bool as_pinned = read == current_.stat;
    const bool grown = current_.entry.growing && length == current_.stat.size && read.inode == current_.stat.inode &&
                       read.device == current_.stat.device;
    if (as_pinned || grown) return;
    delivered_.size = length;
    delivered_.mode = st.st_mode & 07777;
    delivered_.uid = st.st_uid;
    delivered_.gid = st.st_gid;
    delivered_.mtime_ns = read.mtime_ns;
    delivered_.sparse = st.st_blocks * 512 < st.st_size;
    delivered_.fingerprint = fingerprint_of(read, length, wall_now_ns());
    try {
        delivered_.xattrs = xattrs_of(live);
    } catch (const Error& error) {
        throw error.as(Code::source);
    }
    read_later_.add(
        fmt::format("{} changed after the pin and is stored as it was when it was read", printable(current_.entry.path)));
}

Entry TreePin::described(Entry entry) const { return entry.path == delivered_.path ? delivered_ : entry; }

Facts TreePin::facts() {
    const TreeTotals& totals = walk_.totals;
    return {{"files", static_cast<int64_t>(totals.files)},
            {"directories", static_cast<int64_t>(totals.directories)},
            {"symlinks", static_cast<int64_t>(totals.symlinks)},
            {"bytes", static_cast<int64_t>(totals.bytes)}};
}

PinConsistency TreePin::consistency() const {
    return torn_.empty() && read_later_.empty() ? PinConsistency::pinned : PinConsistency::fuzzy;
}

std::vector<std::string> TreePin::notes() const {
    std::vector<std::string> out = walk_.notes.lines();
    Notes torn;
    for (const std::string& folder : torn_) torn.add(fmt::format("the folder {} changed while it was pinned", printable(folder)));
    for (std::string& line : torn.lines()) out.push_back(std::move(line));
    for (std::string& line : read_later_.lines()) out.push_back(std::move(line));
    return out;
}

}  // namespace ingot
