// The walk of a source's roots: every name below them, in listing order, with what lstat says of it.
//
// Order: names of one folder are sorted as bytes, and a folder comes right before what it holds, which is listing order. Memory:
// the names of the folders on the way down, not of the tree. A name that vanishes while it is looked at was not part of the
// pinned moment and is left out; one that cannot be read becomes a record that says so. Sockets are noted and left out. Submounts
// are crossed. No symlink below a root is followed.
//
// Thread safety: one thread. Errors: Error{source} where no root is there, Error{failed} of the spool.
#pragma once

#include <sys/stat.h>

#include <map>
#include <string>
#include <vector>

#include "drivers/driver.h"
#include "drivers/glob.h"
#include "drivers/tree_record.h"

namespace ingot {

// Some lines for a person, of many: the first twenty, and how many more.
class Notes {
public:
    void add(std::string line);
    std::vector<std::string> lines() const;
    bool empty() const { return count_ == 0; }

private:
    std::vector<std::string> first_;
    uint64_t count_ = 0;
};

struct TreeRules {
    std::string stack_root;  // patterns are relative to it
    std::vector<SourceRoot> roots;
    GlobSet exclude;
    GlobSet growing;

    static TreeRules from(const SourceSpec& spec);
    // A root is never excluded, nor what lies above it.
    bool excluded(const std::string& live_path) const;
    bool grows(const std::string& live_path) const;
    std::string_view pattern_path(std::string_view live_path) const;
};

struct TreeTotals {
    uint64_t files = 0;
    uint64_t directories = 0;
    uint64_t symlinks = 0;
    uint64_t hard_links = 0;
    uint64_t specials = 0;  // fifos and devices
    uint64_t bytes = 0;
};

struct TreeWalk {
    TreeTotals totals;
    Notes notes;
    std::vector<std::string> missing_roots;  // live paths
};

// Appends a record for each entry to `entries`, and those of folders to `folders` too.
TreeWalk walk_tree(const TreeRules& rules, Spool& entries, Spool& folders);

// Are the folders as the walk found them, names and all? Returns those that are not (the first of them).
std::vector<std::string> changed_folders(const TreeRules& rules, const Spool& folders, int64_t walk_began_wall_ns);

PinnedStat pinned_stat(const struct stat& st);
int64_t wall_now_ns();
// What the coarse clock of the kernel stamps into files can lag behind this, and two changes within it can bear the same stamp.
inline constexpr int64_t kClockTickNs = 20'000'000;

}  // namespace ingot
