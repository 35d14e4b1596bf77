#include "restore/tree_compare.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>

#include "base/interrupt.h"
#include "restore/left_alone.h"
#include "restore/link_groups.h"
#include "restore/listing_cursor.h"
#include "restore/live_entry.h"

namespace ingot {
namespace {

using What = RestoreChange::What;

class Comparison {
public:
    Comparison(const CompareInput& input, SnapshotContent& content, FileSystem& fs)
        : input_(input),
          content_(content),
          fs_(fs),
          draft_(input.spool_dir),
          writer_(draft_, input.stage_name),
          rules_(input.excluded, input.foreign),
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
        NamesPrint seen;
        const auto look = [&](const std::string& name) {
            const std::string at = join(path, name);
            std::optional<LiveStat> live = beneath.look(at);
            if (live && rules_.why(beneath, at, join(folder.listing_path, name), *live) == nullptr) seen.add(name);
            return live;
        };
        size_t next = 0;
        for (;;) {
            while (next < names.size() && names[next].starts_with(".ingot-")) ++next;
            const std::optional<std::string> name = next_listed_name(folder.listing_path);
            if (next == names.size() && !name) break;
            if (!name || (next < names.size() && names[next] < *name)) {
                const std::string& extra = names[next++];
                remove_extra(folder, join(path, extra), join(folder.listing_path, extra), look(extra));
                continue;
            }
            const bool there = next < names.size() && names[next] == *name;
            if (there) ++next;
            compare_entry(folder, join(path, *name), cursor_.take(), there ? look(*name) : std::nullopt);
        }
        draft_.seen.folder(anchor, path, folder.listing_path, folder.live, seen);
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
                return compare_special(parent, path, listed, *live,
                                       live_link(writer_.beneath(parent.anchor), path) == listed.entry.link);
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
        Metadata before = live_metadata(writer_.beneath(parent.anchor), path);
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
        draft_.seen.entry(parent.anchor, path, live);
        count(What::unchanged, listed.entry.path, 0);
    }

    void compare_special(Folder& parent, const std::string& path, const ListedEntry& listed, const LiveStat& live, bool same) {
        if (!same) return exchange(parent, path, listed, live);
        Metadata before = live_metadata(writer_.beneath(parent.anchor), path);
        if (S_ISLNK(live.type)) before.mode = 0777;
        keep_entry(parent, path, listed, live, std::move(before), metadata_of_entry(listed.entry));
    }

    void keep_entry(Folder& parent, const std::string& path, const ListedEntry& listed, const LiveStat& live, Metadata before,
                    Metadata after) {
        const bool differs = before != after;
        draft_.seen.entry(parent.anchor, path, live);
        count(differs ? What::metadata : What::unchanged, listed.entry.path, 0);
        if (differs) writer_.metadata(parent, path, live, std::move(before), std::move(after));
    }

    void exchange(Folder& parent, const std::string& path, const ListedEntry& listed, const LiveStat& live) {
        if (S_ISDIR(live.type)) {
            LeftAlone::Below below;
            const Beneath& anchor = writer_.beneath(parent.anchor);
            if (const std::string kept = rules_.first_below(anchor, path, listed.entry.path, below); !kept.empty()) {
                throw Error(Code::failed,
                            fmt::format("{} is no folder in the snapshot, but it holds {}, which is never moved",
                                        printable(anchor.name(path)), printable(kept)),
                            "move it out of there, then run the restore again");
            }
            draft_.replaced_bytes += below.bytes;
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

    // Moves aside what may be: the whole, or the parts of a folder that must stay.
    void remove_extra(Folder& parent, const std::string& path, const std::string& listing_path,
                      const std::optional<LiveStat>& live) {
        if (!live) return;
        const Beneath& beneath = writer_.beneath(parent.anchor);
        if (const char* why = rules_.why(beneath, path, listing_path, *live)) {
            if (*why != '\0') draft_.notes.push_back(fmt::format("{} stays: {}", printable(beneath.name(path)), why));
            return;
        }
        const bool is_folder = S_ISDIR(live->type);
        LeftAlone::Below below{0, is_folder ? 0 : live->size};
        if (!is_folder || rules_.first_below(beneath, path, listing_path, below).empty()) {
            (void)writer_.move(OpKind::remove, parent, path, &*live);
            draft_.counts.removed += below.entries;
            if (is_folder) draft_.replaced_bytes += below.bytes;
            return count(What::remove, listing_path, below.bytes);
        }
        Folder folder = open_folder(parent.anchor, path, listing_path, &parent);
        for (const std::string& name : names_in(beneath, path)) {
            const std::string at = join(path, name);
            remove_extra(folder, at, join(listing_path, name), beneath.look(at));
        }
        if (folder.touched) writer_.keep_times(folder);
    }

    // --- small things --------------------------------------------------------------------------------------------------

    bool left_alone(const ListedEntry& listed) {
        const LiveRoot* root = root_of(roots_, listed.entry.path);
        const std::string live = root == nullptr ? listed.entry.path : root->live_path(listed.entry.path);
        if (!rules_.listed(listed.entry.path, live)) return false;
        if (LinkGroup* group = links_.of_first(listed.entry.path)) group->first = listed;  // another name may need its content
        return true;
    }

    std::optional<LiveStat> look_listed(const std::string& listing_path) {
        const LiveRoot* root = root_of(roots_, listing_path);
        if (root == nullptr || rules_.excluded(listing_path)) return std::nullopt;
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
    const LeftAlone rules_;
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
