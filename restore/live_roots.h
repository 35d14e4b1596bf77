// The roots of a source in the live file system: which live place a listing path has, and how it is reached.
//
// Thread safety: values.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "drivers/driver.h"

namespace ingot {

// Is `path` the folder itself, or below it?
bool is_below(std::string_view path, std::string_view folder);

// Links may be on the way to the anchor, and not below it.
struct LiveRoot {
    std::string listing_path;
    std::string anchor;
    std::string path;  // below the anchor

    // Of a listing path within this root.
    std::string below_anchor(const std::string& listed) const { return path + listed.substr(listing_path.size()); }
    std::string live_path(const std::string& listed) const;
};

// The anchor is the stack's root for what lies below it, else the folder the root lies in; the nearest one that exists.
LiveRoot live_root(const SourceRoot& root, const std::string& stack_root);

// The root that a listing path lies in; null where there is none.
const LiveRoot* root_of(const std::vector<LiveRoot>& roots, const std::string& listing_path);

}  // namespace ingot
