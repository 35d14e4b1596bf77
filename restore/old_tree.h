// The old state of a tree that a restore replaced, as it was right before the swap, in listing order.
//
//   what the plan left alone        is what the restored snapshot's listing says: the restore found it to be so
//   what it replaced or removed     lies in the stage folders
//   what it added                   was not there
//   what it changed the attributes of had those that the plan recorded
//
// So nothing live is read, and what services do after they were started again does not show; live inodes are looked at, to tell
// which names were links of one file, and the attributes of folders that no listing names. Memory grows with the number of
// entries that the restore changed and of names of linked files, not with the size of the tree.
//
// Thread safety: one thread. Errors: Error{source} naming an old entry that is not where the plan says; Error{damaged} for a plan
// or a listing that cannot be read.
#pragma once

#include <sys/stat.h>

#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "restore/journal.h"
#include "restore/left_alone.h"
#include "restore/tree_plan.h"
#include "snapshot/listing.h"

namespace ingot {

// A file that a swap set aside.
struct SetAside {
    uint32_t stage = 0;  // TreePlan::stages
    std::string path;    // below it
};

struct OldEntry {
    ListedEntry listed;             // root and sha256 only of what the plan left alone
    std::optional<SetAside> aside;  // of files that were replaced or removed: where their bytes are
};

class OldTree {
public:
    // `listing`: of the snapshot that was restored. `rules`: what a restore of this source leaves alone.
    OldTree(FileSystem& fs, const JournalTarget& target, std::function<std::optional<ListedEntry>()> listing, LeftAlone rules);

    std::optional<OldEntry> next();
    const Beneath& stage(const SetAside& aside) const { return stages_.at(aside.stage); }

private:
    struct PathLess {
        bool operator()(const std::string& a, const std::string& b) const { return listing_less(a, b); }
    };
    struct Pending {
        SetAside at;
        std::string listing_path;
    };

    std::string live_of(const TreeOp& op) const;
    std::string listing_path_of(const std::string& live) const;
    std::string live_path_of(const std::string& listing_path) const;
    void step_listing();
    void skip_below(const std::string& folder);
    void take_move();
    void take_listed();
    void take_aside();
    OldEntry entry_of(const Pending& pending);
    void link_to_set_aside(Entry& entry);
    bool link_to_first(Entry& entry, const struct stat& st);
    void give(OldEntry entry);
    void give_parents(const std::string& path);

    const JournalTarget& target_;
    TreePlanFile plan_;
    std::function<std::optional<ListedEntry>()> listing_;
    LeftAlone rules_;
    std::vector<Beneath> stages_;
    std::map<std::string, size_t, PathLess> moves_;     // listing path -> operation
    std::map<std::string, size_t, PathLess> metadata_;  // the same
    std::map<std::string, size_t, PathLess>::const_iterator move_;
    std::optional<ListedEntry> ahead_;
    std::vector<Pending> aside_;        // entries of set-aside folders still to be given, last first
    std::vector<std::string> folders_;  // given, that the next entry may lie in
    std::map<std::pair<uint64_t, uint64_t>, std::string> first_names_;  // device and inode of linked files
    std::map<std::string, std::string> later_names_;  // first name in the listing -> the first one of the old tree
    std::deque<OldEntry> ready_;
};

}  // namespace ingot
