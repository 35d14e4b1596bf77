#include "restore/old_tree.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>

#include "base/error.h"
#include "restore/live_entry.h"
#include "restore/live_roots.h"

namespace ingot {
namespace {

void set_attributes(Entry& entry, const Metadata& metadata) {
    entry.mode = metadata.mode;
    entry.uid = metadata.uid;
    entry.gid = metadata.gid;
    entry.mtime_ns = metadata.mtime_ns;
    entry.xattrs = metadata.xattrs;
}

std::optional<EntryType> entry_type(uint32_t bits) {
    switch (bits & S_IFMT) {
        case S_IFREG:
            return EntryType::file;
        case S_IFDIR:
            return EntryType::directory;
        case S_IFLNK:
            return EntryType::symlink;
        case S_IFIFO:
            return EntryType::fifo;
        case S_IFBLK:
            return EntryType::block_device;
        case S_IFCHR:
            return EntryType::char_device;
        default:
            return std::nullopt;
    }
}

}  // namespace

OldTree::OldTree(FileSystem& fs, const JournalTarget& target, std::function<std::optional<ListedEntry>()> listing,
                 LeftAlone rules)
    : target_(target), plan_(fs, join(target.work_dir, "plan")), listing_(std::move(listing)), rules_(std::move(rules)) {
    for (const std::string& stage : plan_.plan().stages) stages_.emplace_back(stage);
    for (size_t i = 0; i < plan_.size(); ++i) {
        (i < plan_.moves() ? moves_ : metadata_)[listing_path_of(live_of(plan_.op(i)))] = i;
    }
    move_ = moves_.begin();
    step_listing();
}

std::string OldTree::live_of(const TreeOp& op) const { return join(plan_.plan().anchors.at(op.anchor), op.path); }

std::string OldTree::listing_path_of(const std::string& live) const {
    for (const SourceRoot& root : target_.roots) {
        if (is_below(live, root.live_path)) return root.listing_path + live.substr(root.live_path.size());
    }
    return live;  // a folder above a root, whose times alone were changed
}

std::string OldTree::live_path_of(const std::string& listing_path) const {
    for (const SourceRoot& root : target_.roots) {
        if (is_below(listing_path, root.listing_path)) return root.live_path + listing_path.substr(root.listing_path.size());
    }
    return {};
}

// The next entry of the listing that the restore looked at.
void OldTree::step_listing() {
    for (;;) {
        ahead_ = listing_();
        if (!ahead_) return;
        const std::string live = live_path_of(ahead_->entry.path);
        if (!live.empty() && !rules_.listed(ahead_->entry.path, live)) return;
    }
}

void OldTree::skip_below(const std::string& folder) {
    while (ahead_ && is_below(ahead_->entry.path, folder)) step_listing();
}

std::optional<OldEntry> OldTree::next() {
    while (ready_.empty()) {
        if (!aside_.empty()) {
            take_aside();
        } else if (move_ != moves_.end() && (!ahead_ || !listing_less(ahead_->entry.path, move_->first))) {
            take_move();
        } else if (ahead_) {
            take_listed();
        } else {
            return std::nullopt;
        }
    }
    OldEntry entry = std::move(ready_.front());
    ready_.pop_front();
    return entry;
}

void OldTree::take_move() {
    const std::string path = move_->first;
    const TreeOp op = plan_.op(move_->second);
    ++move_;
    skip_below(path);  // what is there now is not what was there
    if (op.kind == OpKind::add) return;
    const std::optional<LiveStat> old = stages_.at(op.stage).look(op.staged);
    if (!old || old->inode != op.old.inode) {
        throw Error(Code::source,
                    fmt::format("the old {} is not at {} any more", printable(live_of(op)),
                                printable(stages_.at(op.stage).name(op.staged))),
                    "`ingot restore --resume --no-safety` gives the old state up");
    }
    aside_.push_back({{op.stage, op.staged}, path});
}

void OldTree::take_listed() {
    OldEntry entry{std::move(*ahead_), std::nullopt};
    step_listing();
    Entry& at = entry.listed.entry;
    if (const auto changed = metadata_.find(at.path); changed != metadata_.end()) {
        set_attributes(at, plan_.op(changed->second).before);
    }
    if (at.type == EntryType::hard_link) {
        if (const auto first = later_names_.find(at.link); first != later_names_.end()) at.link = first->second;
    } else if (at.type == EntryType::file) {
        link_to_set_aside(at);
    }
    give(std::move(entry));
}

// A file that the restore left alone may have had another name, which it removed.
void OldTree::link_to_set_aside(Entry& entry) {
    struct stat st {};
    if (::lstat(live_path_of(entry.path).c_str(), &st) != 0) return;  // removed since; its content is in the snapshot
    if (!S_ISREG(st.st_mode) || static_cast<uint64_t>(st.st_size) != entry.size) return;
    if (link_to_first(entry, st)) later_names_[entry.path] = entry.link;
}

bool OldTree::link_to_first(Entry& entry, const struct stat& st) {
    if (st.st_nlink < 2) return false;
    const auto [first, fresh] = first_names_.emplace(std::pair(st.st_dev, st.st_ino), entry.path);
    if (fresh) return false;
    entry.type = EntryType::hard_link;
    entry.link = first->second;
    entry.size = 0;
    return true;
}

void OldTree::take_aside() {
    const Pending pending = std::move(aside_.back());
    aside_.pop_back();
    OldEntry entry = entry_of(pending);
    if (entry.listed.entry.type == EntryType::directory) {
        const std::vector<std::string> names = names_in(stages_.at(pending.at.stage), pending.at.path);
        for (auto name = names.rbegin(); name != names.rend(); ++name) {
            aside_.push_back({{pending.at.stage, join(pending.at.path, *name)}, join(pending.listing_path, *name)});
        }
    }
    give(std::move(entry));
}

OldEntry OldTree::entry_of(const Pending& pending) {
    const Beneath& stage = stages_.at(pending.at.stage);
    const std::optional<LiveStat> old = stage.look(pending.at.path);
    const std::optional<EntryType> type = old ? entry_type(old->type) : std::nullopt;
    if (!type) {
        throw Error(Code::source, fmt::format("the old {} is not at {}", printable(pending.listing_path),
                                              printable(stage.name(pending.at.path))));
    }
    OldEntry out;
    Entry& entry = out.listed.entry;
    entry.path = pending.listing_path;
    entry.type = *type;
    set_attributes(entry, live_metadata(stage, pending.at.path));
    if (entry.type == EntryType::symlink) entry.link = live_link(stage, pending.at.path);
    entry.device_major = old->device_major;
    entry.device_minor = old->device_minor;
    if (entry.type != EntryType::file) return out;
    const struct stat st = stage.at(pending.at.path).run([](const std::string& path) { return stat_of(path); });
    if (link_to_first(entry, st)) return out;
    entry.size = old->size;
    entry.sparse = st.st_blocks * 512 < st.st_size;
    out.aside = pending.at;
    return out;
}

void OldTree::give(OldEntry entry) {
    const Entry& at = entry.listed.entry;
    give_parents(at.path);
    if (at.type == EntryType::directory) folders_.push_back(at.path);
    ready_.push_back(std::move(entry));
}

// A folder that stayed because something in it is never moved has no entry in the listing; what was removed of it lies in it.
void OldTree::give_parents(const std::string& path) {
    while (!folders_.empty() && !is_below(path, folders_.back())) folders_.pop_back();
    std::vector<std::string> missing;
    for (std::string folder = parent_of(path); folder != "." && folder != "/"; folder = parent_of(folder)) {
        if (!folders_.empty() && folder == folders_.back()) break;
        if (live_path_of(folder).empty()) break;
        missing.push_back(folder);
    }
    for (auto folder = missing.rbegin(); folder != missing.rend(); ++folder) {
        OldEntry entry;
        entry.listed.entry.path = *folder;
        entry.listed.entry.type = EntryType::directory;
        const auto changed = metadata_.find(*folder);
        set_attributes(entry.listed.entry,
                       changed == metadata_.end() ? metadata_of(live_path_of(*folder)) : plan_.op(changed->second).before);
        folders_.push_back(*folder);
        ready_.push_back(std::move(entry));
    }
}

}  // namespace ingot
