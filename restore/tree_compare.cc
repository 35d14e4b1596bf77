#include "restore/tree_compare.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "base/interrupt.h"
#include "base/metadata.h"
#include "restore/link_groups.h"
#include "restore/listing_cursor.h"

namespace ingot {
namespace {

using What = RestoreChange::What;

Metadata metadata_of_entry(const Entry& entry) {
    Metadata metadata{entry.mode, entry.uid, entry.gid, entry.mtime_ns, entry.xattrs};
    if (entry.type == EntryType::symlink) {  // has none of its own
        metadata.mode = 0777;
        metadata.xattrs.clear();
    }
    return metadata;
}

uint32_t type_bits(EntryType type) {
    switch (type) {
        case EntryType::file:
        case EntryType::hard_link:
            return S_IFREG;
        case EntryType::directory:
            return S_IFDIR;
        case EntryType::symlink:
            return S_IFLNK;
        case EntryType::fifo:
            return S_IFIFO;
        case EntryType::block_device:
            return S_IFBLK;
        case EntryType::char_device:
            return S_IFCHR;
    }
    return 0;
}

class Comparison {
public:
    Comparison(const CompareInput& input, SnapshotContent& content, FileSystem& fs)
        : input_(input),
          content_(content),
          fs_(fs),
          draft_(input.spool_dir),
          writer_(draft_, input.stage_name),
          links_(input.listing()),
          cursor_(input.listing()),
          roots_(input.roots) {}

    TreeDraft run() {
        std::sort(roots_.begin(), roots_.end(),
                  [](const LiveRoot& a, const LiveRoot& b) { return listing_less(a.listing_path, b.listing_path); });
        for (const LiveRoot& root : roots_) compare_root(root);
        if (cursor_.peek()) refuse_unknown(cursor_.peek()->entry.path);
        return std::move(draft_);
    }

private:
    struct Folder : DraftFolder {
        std::string listing_path;
    };

    // --- roots ---------------------------------------------------------------------------------------------------------

    void compare_root(const LiveRoot& root) {
        if (!cursor_.peek() || listing_less(root.listing_path, cursor_.peek()->entry.path)) {
            draft_.notes.push_back(
                fmt::format("the snapshot holds nothing of {}: it is left as it is", printable(root.listing_path)));
            return;
        }
        if (cursor_.peek()->entry.path != root.listing_path) refuse_unknown(cursor_.peek()->entry.path);
        const uint32_t anchor = writer_.anchor(root.anchor);
        const auto [parent_path, missing] = deepest_folder(anchor, root.path);
        Folder parent = open_folder(anchor, parent_path, {}, nullptr);
        if (!missing.empty()) {
            add_below(parent, missing, root);
        } else {
            const std::optional<LiveStat> live = writer_.beneath(anchor).look(root.path);
            if (live && live->mount_root && !S_ISDIR(live->type)) {
                throw Error(
                    Code::failed,
                    fmt::format("{} is a mount point (a single file mounted on it), which cannot be exchanged",
                                printable(live_name(anchor, root.path))),
                    "restore to another place with --to, and copy the file into it; or mount the folder instead of the file");
            }
            compare_entry(parent, root.path, cursor_.take(), live);
        }
        if (parent.touched) writer_.keep_times(parent);
    }

    // The deepest folder above `path` that exists, and the first component below it that does not; empty where all are there.
    std::pair<std::string, std::string> deepest_folder(uint32_t anchor, const std::string& path) const {
        std::string deepest;
        for (size_t slash = path.find('/'); slash != std::string::npos; slash = path.find('/', slash + 1)) {
            const std::string folder = path.substr(0, slash);
            if (!writer_.beneath(anchor).look(folder)) return {deepest, folder};
            (void)writer_.beneath(anchor).inside(folder);  // throws where it is a symlink or no folder
            deepest = folder;
        }
        return {deepest, {}};
    }

    // A root in a folder that is gone: the folder is made again, in the stage.
    void add_below(Folder& parent, const std::string& missing, const LiveRoot& root) {
        const auto key = std::pair(parent.anchor, missing);
        auto it = added_folders_.find(key);
        if (it == added_folders_.end()) {
            it = added_folders_.emplace(key, writer_.move(OpKind::add, parent, missing, nullptr)).first;
            draft_.notes.push_back(
                fmt::format("the folder {} is made again, with the default mode", printable(live_name(parent.anchor, missing))));
        }
        stage_subtree(it->second, it->second.staged + root.path.substr(missing.size()), cursor_.take());
    }

    [[noreturn]] void refuse_unknown(const std::string& path) const {
        throw Error(Code::failed,
                    fmt::format("the snapshot holds {} of source {}, which lies in none of its paths in the config",
                                printable(path), input_.source),
                    "mend the source's paths, or restore to another place with --to");
    }

    // --- folders -------------------------------------------------------------------------------------------------------

    Folder open_folder(uint32_t anchor, const std::string& path, const std::string& listing_path,
                       const DraftFolder* parent) const {
        Folder folder;
        folder.anchor = anchor;
        folder.path = path;
        folder.listing_path = listing_path;
        folder.live = writer_.beneath(anchor).inside(path).look().value();
        const bool same_mount =
            parent != nullptr && parent->live.mount == folder.live.mount && parent->live.device == folder.live.device;
        folder.host_path = same_mount ? parent->host_path : path;
        return folder;
    }

    // `parent` none: a root.
    void compare_folder(const DraftFolder* parent, uint32_t anchor, const std::string& path, const ListedEntry& listed) {
        check_interrupted();
        const Beneath& beneath = writer_.beneath(anchor);
        Metadata before = beneath.inside(path).run([](const std::string& inside) { return metadata_of(inside); });
        Folder folder = open_folder(anchor, path, listed.entry.path, parent);
        const std::vector<std::string> names = names_in(beneath, path);
        size_t next = 0;
        for (;;) {
            while (next < names.size() && names[next].starts_with(".ingot-")) ++next;
            const std::optional<std::string> name = next_listed_name(folder.listing_path);
            if (next == names.size() && !name) break;
            if (!name || (next < names.size() && names[next] < *name)) {
                extra(folder, join(path, names[next++]));
                continue;
            }
            const std::string at = join(path, *name);
            if (next < names.size() && names[next] == *name) ++next;
            compare_entry(folder, at, cursor_.take(), beneath.look(at));
        }
        finish_folder(folder, std::move(before), metadata_of_entry(listed.entry));
    }

    void finish_folder(const Folder& folder, Metadata before, Metadata after) {
        const bool differs = before != after;
        count(differs ? What::metadata : What::unchanged, folder.listing_path, 0);
        if (differs || folder.touched) writer_.metadata(folder, folder.path, folder.live, std::move(before), std::move(after));
    }

    std::optional<std::string> next_listed_name(const std::string& folder) const {
        if (!cursor_.below(folder)) return std::nullopt;
        const std::string& path = cursor_.peek()->entry.path;
        const size_t from = folder == "/" ? 1 : folder.size() + 1;
        if (path.find('/', from) != std::string::npos) {
            throw Error(Code::damaged,
                        fmt::format("the listing contradicts itself: {} comes without its folder", printable(path)));
        }
        return path.substr(from);
    }

    // --- one entry -----------------------------------------------------------------------------------------------------

    void compare_entry(Folder& parent, const std::string& path, const ListedEntry& listed, const std::optional<LiveStat>& live) {
        if (left_alone(listed)) return cursor_.skip_below(listed.entry.path);
        if (!live) {
            const DraftMove move = writer_.move(OpKind::add, parent, path, nullptr);
            return stage_subtree(move, move.staged, listed);
        }
        if (S_ISSOCK(live->type)) {
            throw Error(Code::failed,
                        fmt::format("{} is a socket now; sockets are never moved", printable(live_name(parent.anchor, path))),
                        "stop the program that made it, then run the restore again");
        }
        const bool folders = S_ISDIR(live->type) && listed.entry.type == EntryType::directory;
        if (folders) return compare_folder(parent.listing_path.empty() ? nullptr : &parent, parent.anchor, path, listed);
        const bool same_type = live->type == type_bits(listed.entry.type);
        switch (same_type ? listed.entry.type : EntryType::directory) {
            case EntryType::file:
                return compare_file(parent, path, listed, *live);
            case EntryType::hard_link:
                return compare_link(parent, path, listed, *live);
            case EntryType::symlink:
                return compare_special(parent, path, listed, *live, link_of(parent.anchor, path) == listed.entry.link);
            case EntryType::fifo:
                return compare_special(parent, path, listed, *live, true);
            case EntryType::block_device:
            case EntryType::char_device:
                return compare_special(
                    parent, path, listed, *live,
                    live->device_major == listed.entry.device_major && live->device_minor == listed.entry.device_minor);
            case EntryType::directory:
                return exchange(parent, path, listed, *live);
        }
    }

    void compare_file(Folder& parent, const std::string& path, const ListedEntry& listed, const LiveStat& live) {
        LinkGroup* group = links_.of_first(listed.entry.path);
        const auto look = [&](const std::string& listing_path) { return look_listed(listing_path); };
        bool keep =
            live.size == listed.root.size && same_bytes(parent.anchor, path, listed.root) && links_.one_inode(group, live, look);
        Metadata before = metadata_at(parent.anchor, path);
        Metadata after = metadata_of_entry(listed.entry);
        // Set in place, metadata would change for the inode's other names too, wherever they are.
        if (before != after && live.links != (group == nullptr ? 1 : 1 + group->others.size())) keep = false;
        if (group != nullptr) {
            group->first = listed;
            group->intact = keep;
        }
        if (!keep) return exchange(parent, path, listed, live);
        keep_entry(parent, path, listed, live, std::move(before), std::move(after));
    }

    void compare_link(Folder& parent, const std::string& path, const ListedEntry& listed, const LiveStat& live) {
        if (!links_.of_link(listed).intact) return exchange(parent, path, listed, live);
        count(What::unchanged, listed.entry.path, 0);
    }

    void compare_special(Folder& parent, const std::string& path, const ListedEntry& listed, const LiveStat& live, bool same) {
        if (!same) return exchange(parent, path, listed, live);
        Metadata before = metadata_at(parent.anchor, path);
        if (S_ISLNK(live.type)) before.mode = 0777;
        keep_entry(parent, path, listed, live, std::move(before), metadata_of_entry(listed.entry));
    }

    void keep_entry(Folder& parent, const std::string& path, const ListedEntry& listed, const LiveStat& live, Metadata before,
                    Metadata after) {
        const bool differs = before != after;
        count(differs ? What::metadata : What::unchanged, listed.entry.path, 0);
        if (differs) writer_.metadata(parent, path, live, std::move(before), std::move(after));
    }

    void exchange(Folder& parent, const std::string& path, const ListedEntry& listed, const LiveStat& live) {
        if (S_ISDIR(live.type)) {
            if (const std::string kept = first_kept_below(parent.anchor, path, listed.entry.path); !kept.empty()) {
                throw Error(Code::failed,
                            fmt::format("{} is no folder in the snapshot, but it holds {}, which is never moved",
                                        printable(live_name(parent.anchor, path)), printable(kept)),
                            "move it out of there, then run the restore again");
            }
        }
        const DraftMove move = writer_.move(OpKind::exchange, parent, path, &live);
        count(What::replace, listed.entry.path, listed.root.size);
        place(move.stage, move.staged, listed);
        stage_below(move, move.staged, listed);
    }

    // --- staging -------------------------------------------------------------------------------------------------------

    void stage_subtree(const DraftMove& move, const std::string& at, const ListedEntry& top) {
        count(What::add, top.entry.path, top.root.size);
        place(move.stage, at, top);
        stage_below(move, at, top);
    }

    void stage_below(const DraftMove& move, const std::string& at, const ListedEntry& top) {
        while (cursor_.below(top.entry.path)) {
            const ListedEntry listed = cursor_.take();
            if (left_alone(listed)) {
                cursor_.skip_below(listed.entry.path);
                continue;
            }
            count(What::add, listed.entry.path, listed.root.size);
            place(move.stage, at + listed.entry.path.substr(top.entry.path.size()), listed);
        }
    }

    void place(uint32_t stage, const std::string& at, const ListedEntry& listed) {
        writer_.place(stage, links_.placed(listed, stage, at));
    }

    // --- what the snapshot does not hold ---------------------------------------------------------------------------------

    struct Piece {
        std::string path;
        std::string listing_path;
        LiveStat live;
        uint64_t entries = 1;
        uint64_t bytes = 0;
    };

    void extra(Folder& parent, const std::string& path) {
        const std::string listing_path = join(parent.listing_path, base_name_of(path));
        remove_pieces(parent, path, listing_path);
    }

    // Moves aside what may be: the whole, or the parts of a folder that must stay.
    void remove_pieces(Folder& parent, const std::string& path, const std::string& listing_path) {
        const Beneath& beneath = writer_.beneath(parent.anchor);
        const std::optional<LiveStat> live = beneath.look(path);
        if (!live) return;
        if (const char* why = why_kept(parent.anchor, path, listing_path, *live)) {
            if (*why != '\0') draft_.notes.push_back(fmt::format("{} stays: {}", printable(beneath.name(path)), why));
            return;
        }
        Piece piece{path, listing_path, *live};
        if (!S_ISDIR(live->type)) piece.bytes = live->size;
        if (!S_ISDIR(live->type) || first_kept_below(parent.anchor, path, listing_path, &piece).empty()) {
            (void)writer_.move(OpKind::remove, parent, path, &piece.live);
            draft_.counts.removed += piece.entries - 1;
            return count(What::remove, listing_path, piece.bytes);
        }
        Folder folder = open_folder(parent.anchor, path, listing_path, &parent);
        for (const std::string& name : names_in(beneath, path)) remove_pieces(folder, join(path, name), join(listing_path, name));
        if (folder.touched) writer_.keep_times(folder);
    }

    // Null: nothing keeps it. "": it is kept without a word.
    const char* why_kept(uint32_t anchor, const std::string& path, const std::string& listing_path, const LiveStat& live) const {
        if (base_name_of(path).starts_with(".ingot-")) return "";
        if (input_.excluded(listing_path) || input_.foreign(live_name(anchor, path))) return "";
        if (live.mount_root) return "it is a mount point";
        if (S_ISSOCK(live.type)) return "it is a socket";
        return nullptr;
    }

    // The live path of something below a folder that must stay; empty where there is none. Counts what it saw into `piece`.
    std::string first_kept_below(uint32_t anchor, const std::string& path, const std::string& listing_path,
                                 Piece* piece = nullptr) const {
        check_interrupted();
        for (const std::string& name : names_in(writer_.beneath(anchor), path)) {
            const std::string below = join(path, name);
            const std::string listed = join(listing_path, name);
            const std::optional<LiveStat> live = writer_.beneath(anchor).look(below);
            if (!live) continue;
            if (why_kept(anchor, below, listed, *live) != nullptr) return live_name(anchor, below);
            if (piece != nullptr) {
                ++piece->entries;
                piece->bytes += S_ISDIR(live->type) ? 0 : live->size;
            }
            if (!S_ISDIR(live->type)) continue;
            if (std::string kept = first_kept_below(anchor, below, listed, piece); !kept.empty()) return kept;
        }
        return {};
    }

    // --- small things --------------------------------------------------------------------------------------------------

    bool left_alone(const ListedEntry& listed) {
        const LiveRoot* root = root_of(roots_, listed.entry.path);
        const std::string live = root == nullptr ? listed.entry.path : root->live_path(listed.entry.path);
        if (!input_.excluded(listed.entry.path) && !input_.foreign(live)) return false;
        if (LinkGroup* group = links_.of_first(listed.entry.path)) group->first = listed;  // another name may need its content
        return true;
    }

    std::optional<LiveStat> look_listed(const std::string& listing_path) {
        const LiveRoot* root = root_of(roots_, listing_path);
        if (root == nullptr || input_.excluded(listing_path)) return std::nullopt;
        try {
            return writer_.beneath(writer_.anchor(root->anchor)).look(root->below_anchor(listing_path));
        } catch (const Error& error) {
            ignore_error(error,
                         "a name that cannot be reached is not one of the live names; its own turn says what is in the way");
            return std::nullopt;
        }
    }

    bool same_bytes(uint32_t anchor, const std::string& path, const StreamRoot& root) {
        const Reached reached = writer_.beneath(anchor).at(path);
        return reached.run([&](const std::string& at) { return same_content(content_, root, *fs_.open(at)); });
    }
    Metadata metadata_at(uint32_t anchor, const std::string& path) const {
        return writer_.beneath(anchor).at(path).run([](const std::string& at) { return metadata_of(at); });
    }
    std::string link_of(uint32_t anchor, const std::string& path) const {
        const Reached reached = writer_.beneath(anchor).at(path);
        std::string target(4096, '\0');  // PATH_MAX: no target is longer
        const ssize_t length = ::readlinkat(reached.folder_fd(), reached.leaf().c_str(), target.data(), target.size());
        if (length < 0) throw Error::from_errno("reading the symlink", reached.name(), errno);
        target.resize(static_cast<size_t>(length));
        return target;
    }
    std::string live_name(uint32_t anchor, const std::string& path) const { return writer_.beneath(anchor).name(path); }

    void count(What what, const std::string& listing_path, uint64_t bytes) {
        RestoreResult& counts = draft_.counts;
        switch (what) {
            case What::unchanged:
                ++counts.unchanged;
                return;
            case What::replace:
                ++counts.replaced;
                break;
            case What::add:
                ++counts.added;
                break;
            case What::remove:
                ++counts.removed;
                break;
            case What::metadata:
                ++counts.metadata;
                break;
        }
        if (input_.list_changes) counts.changes.push_back({what, input_.source, listing_path, bytes});
    }

    const CompareInput& input_;
    SnapshotContent& content_;
    FileSystem& fs_;
    TreeDraft draft_;
    DraftWriter writer_;
    LinkGroups links_;
    ListingCursor cursor_;
    std::vector<LiveRoot> roots_;
    std::map<std::pair<uint32_t, std::string>, DraftMove> added_folders_;
};

}  // namespace

TreeDraft compare_tree(const CompareInput& input, SnapshotContent& content, FileSystem& fs) {
    return Comparison(input, content, fs).run();
}

}  // namespace ingot
