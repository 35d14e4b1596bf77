// Staging a draft: the entries that differ are written beside the live ones, re-hashed and synced, and the plan is made durable.
//
// Thread safety: one thread. Errors: Error{failed} (space, rights), Error{damaged} (contents lost). The live tree is not touched;
// the stage folders are the caller's to remove, by the names in the draft.
#pragma once

#include "restore/content.h"
#include "restore/tree_draft.h"

namespace ingot {

struct StagedTree {
    uint64_t bytes = 0;
    std::vector<std::string> problems;  // metadata that could not be set
};

// Makes the draft's stage folders. `plan_path` must not exist; it is durable when this returns.
StagedTree stage_tree(const TreeDraft& draft, SnapshotContent& content, FileSystem& fs, const std::string& plan_path);

}  // namespace ingot
