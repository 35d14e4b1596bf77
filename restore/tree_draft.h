// The draft of a tree's swap: which operations will be needed, and what must be staged for them. Nothing is written but spools.
//
//   compare (tree_compare.h) -> TreeDraft -> stage (tree_stage.h) -> TreePlan (tree_plan.h) -> swap (tree_swap.h)
//
// Thread safety: one thread.
#pragma once

#include <deque>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "restore/record_spool.h"
#include "restore/restore.h"
#include "restore/seen_tree.h"
#include "restore/tree_plan.h"
#include "snapshot/place.h"

namespace ingot {

// One stage folder for each mount: renames do not cross mounts. It lies in the topmost folder of the target on that mount.
struct DraftStage {
    std::string host;    // the folder it will be made in
    std::string path;    // host + "/.ingot-…"
    uint64_t bytes = 0;  // that staging will write, at least
};

struct TreeDraft {
    explicit TreeDraft(const std::string& spools) : moves(spools), metadata(spools), seen(spools), spool_dir(spools) {}

    std::vector<std::string> anchors;
    std::vector<DraftStage> stages;
    RecordSpool moves;               // TreeOps without new_inode
    RecordSpool metadata;            // TreeOps
    SeenTree seen;                   // what stays where it is
    std::deque<RecordSpool> placed;  // PlacedEntries of each stage, in the order they are staged
    uint64_t replaced_bytes = 0;     // of live entries that are moved away
    std::string spool_dir;
    RestoreResult counts;            // unchanged, replaced, added, removed, metadata; changes where asked for
    std::vector<std::string> notes;  // what was left alone, and why

    bool empty() const { return moves.size() == 0 && metadata.size() == 0; }
};

Bytes encode_placed(const PlacedEntry& placed);
PlacedEntry decode_placed(ByteView bytes);

// A live folder in which something may have to be moved.
struct DraftFolder {
    uint32_t anchor = 0;
    std::string path;  // below the anchor
    LiveStat live;
    // The topmost folder of the target on this folder's mount: where the stage goes.
    std::string host_path;
    bool touched = false;
};

struct DraftMove {
    uint32_t stage;
    std::string staged;
};

// Adds operations to a draft, and refuses those that could not be carried out.
// Errors: Error{failed} naming what is in the way: rights, a read-only file system, chattr +i, a mount point.
class DraftWriter {
public:
    DraftWriter(TreeDraft& draft, std::string stage_name) : draft_(draft), stage_name_(std::move(stage_name)) {}

    uint32_t anchor(const std::string& folder);  // its number
    const Beneath& beneath(uint32_t anchor) const { return beneath_.at(anchor); }

    DraftMove move(OpKind kind, DraftFolder& parent, const std::string& path, const LiveStat* old);
    void place(uint32_t stage, const PlacedEntry& placed);
    void metadata(const DraftFolder& parent, const std::string& path, const LiveStat& live, Metadata before,
                  std::optional<Metadata> after);
    // The times of a folder that no listing mentions: undo puts them back. Once for each folder.
    void keep_times(const DraftFolder& folder);

private:
    uint32_t stage_for(const DraftFolder& folder);
    void require_writable(const Beneath& anchor, const std::string& path) const;

    TreeDraft& draft_;
    std::string stage_name_;
    std::deque<Beneath> beneath_;
    std::map<std::pair<uint64_t, uint64_t>, uint32_t> stage_by_mount_;  // by mount and device
    std::set<std::pair<uint32_t, std::string>> kept_times_;
};

}  // namespace ingot
