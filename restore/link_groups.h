// The hard links of a listing: which paths are names of one file, and what becomes of each such group in a restore. A group is
// left as it is only when all its live names are one inode with the right content; else it is staged anew as a whole.
//
// Memory grows with the number of hard-linked names, not of entries.
// Thread safety: one thread.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "snapshot/beneath.h"
#include "snapshot/listing.h"
#include "snapshot/place.h"

namespace ingot {

struct LinkGroup {
    std::vector<std::string> others;   // listing paths beside the first
    std::optional<ListedEntry> first;  // once the listing came to it
    bool intact = false;
    std::map<uint32_t, std::string> staged_at;  // stage -> where its file is there
};

class LinkGroups {
public:
    // Reads a whole listing.
    explicit LinkGroups(const std::function<std::optional<ListedEntry>()>& next);

    // Null for a file with one name.
    LinkGroup* of_first(const std::string& listing_path);
    // Of a hard link. Throws Error{damaged} where its first name did not come before it.
    LinkGroup& of_link(const ListedEntry& link);

    // Are the live names of the group one inode, which no other file of the listing claimed before?
    bool one_inode(const LinkGroup* group, const LiveStat& first,
                   const std::function<std::optional<LiveStat>(const std::string& listing_path)>& look);

    // How to stage an entry: a link to its first name, where that was staged in the same stage folder, else the file itself.
    PlacedEntry placed(const ListedEntry& listed, uint32_t stage, const std::string& at);

private:
    std::unordered_map<std::string, LinkGroup> groups_;  // by the first name
    std::set<std::pair<uint64_t, uint64_t>> claimed_;    // device and inode
};

}  // namespace ingot
