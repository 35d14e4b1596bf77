#include "restore/live_roots.h"

#include <sys/stat.h>

#include "base/filesystem.h"

namespace ingot {

bool is_below(std::string_view path, std::string_view folder) {
    if (folder == "/") return path.starts_with('/');
    return path.starts_with(folder) && (path.size() == folder.size() || path[folder.size()] == '/');
}

std::string LiveRoot::live_path(const std::string& listed) const { return join(anchor, below_anchor(listed)); }

LiveRoot live_root(const SourceRoot& root, const std::string& stack_root) {
    const std::string& live = root.live_path;
    std::string anchor = live != stack_root && is_below(live, stack_root) ? stack_root : parent_of(live);
    struct stat st {};
    while (anchor != "/" && ::stat(anchor.c_str(), &st) != 0) anchor = parent_of(anchor);
    return {root.listing_path, anchor, live.substr(anchor == "/" ? 1 : anchor.size() + 1)};
}

const LiveRoot* root_of(const std::vector<LiveRoot>& roots, const std::string& listing_path) {
    for (const LiveRoot& root : roots) {
        if (is_below(listing_path, root.listing_path)) return &root;
    }
    return nullptr;
}

}  // namespace ingot
