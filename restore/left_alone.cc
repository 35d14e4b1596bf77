#include "restore/left_alone.h"

#include <sys/stat.h>

#include "base/filesystem.h"
#include "base/interrupt.h"
#include "restore/tree_plan.h"

namespace ingot {

const char* LeftAlone::why(const Beneath& anchor, const std::string& path, const std::string& listing_path,
                           const LiveStat& live) const {
    if (base_name_of(path).starts_with(".ingot-")) return "";
    if (listed(listing_path, anchor.name(path))) return "";
    if (live.mount_root) return "it is a mount point";
    if (S_ISSOCK(live.type)) return "it is a socket";
    return nullptr;
}

std::string LeftAlone::first_below(const Beneath& anchor, const std::string& path, const std::string& listing_path,
                                   Below& below) const {
    check_interrupted();
    for (const std::string& name : names_in(anchor, path)) {
        const std::string at = join(path, name);
        const std::string listed_at = join(listing_path, name);
        const std::optional<LiveStat> live = anchor.look(at);
        if (!live) continue;
        if (why(anchor, at, listed_at, *live) != nullptr) return anchor.name(at);
        ++below.entries;
        below.bytes += S_ISDIR(live->type) ? 0 : live->size;
        if (!S_ISDIR(live->type)) continue;
        if (std::string kept = first_below(anchor, at, listed_at, below); !kept.empty()) return kept;
    }
    return {};
}

}  // namespace ingot
