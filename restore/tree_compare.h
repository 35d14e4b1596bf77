// Comparing a live tree with a snapshot's listing: entry by entry, contents by hash, and what to do about each difference.
//
// Left alone, never moved or deleted: what the driver excludes, what belongs to another source, mount points, sockets, and
// names that begin with ".ingot-". A folder that the snapshot does not hold is moved aside as a whole, unless it holds one of
// these: then it stays, and the rest of it goes. A folder that is missing is staged as a whole.
//
// Thread safety: one thread. Errors: Error{failed} naming what is in the way of the swap; Error{damaged} for a listing that
// contradicts itself; Error{interrupted}.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "restore/content.h"
#include "restore/live_roots.h"
#include "restore/tree_draft.h"
#include "snapshot/listing.h"

namespace ingot {

struct CompareInput {
    std::string source;
    std::vector<LiveRoot> roots;
    // The listing from its start; asked for twice.
    std::function<std::function<std::optional<ListedEntry>()>()> listing;
    std::function<bool(const std::string& listing_path)> excluded;
    std::function<bool(const std::string& live_path)> foreign;
    std::string spool_dir;
    std::string stage_name;     // ".ingot-…", of the stage folders
    bool list_changes = false;  // fill TreeDraft::counts.changes
};

TreeDraft compare_tree(const CompareInput& input, SnapshotContent& content, FileSystem& fs);

}  // namespace ingot
