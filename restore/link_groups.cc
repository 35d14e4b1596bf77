#include "restore/link_groups.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include "base/error.h"

namespace ingot {

LinkGroups::LinkGroups(const std::function<std::optional<ListedEntry>()>& next) {
    while (std::optional<ListedEntry> listed = next()) {
        if (listed->entry.type == EntryType::hard_link) groups_[listed->entry.link].others.push_back(listed->entry.path);
    }
}

LinkGroup* LinkGroups::of_first(const std::string& listing_path) {
    const auto it = groups_.find(listing_path);
    return it == groups_.end() ? nullptr : &it->second;
}

LinkGroup& LinkGroups::of_link(const ListedEntry& link) {
    LinkGroup* group = of_first(link.entry.link);
    if (group == nullptr || !group->first) {
        throw Error(Code::damaged,
                    fmt::format("the listing contradicts itself: {} is another name of {}, which is no file before it",
                                printable(link.entry.path), printable(link.entry.link)));
    }
    return *group;
}

bool LinkGroups::one_inode(const LinkGroup* group, const LiveStat& first,
                           const std::function<std::optional<LiveStat>(const std::string& listing_path)>& look) {
    if (group != nullptr) {
        for (const std::string& other : group->others) {
            const std::optional<LiveStat> live = look(other);
            if (!live || !S_ISREG(live->type) || live->inode != first.inode || live->device != first.device) return false;
        }
    }
    return first.links == 1 || claimed_.emplace(first.device, first.inode).second;
}

PlacedEntry LinkGroups::placed(const ListedEntry& listed, uint32_t stage, const std::string& at) {
    if (listed.entry.type == EntryType::file) {
        if (LinkGroup* group = of_first(listed.entry.path)) {
            group->first = listed;
            group->staged_at[stage] = at;
        }
        return {listed, at, {}};
    }
    if (listed.entry.type != EntryType::hard_link) return {listed, at, {}};
    LinkGroup& group = of_link(listed);
    const auto [it, fresh] = group.staged_at.try_emplace(stage, at);
    return fresh ? PlacedEntry{*group.first, at, {}} : PlacedEntry{listed, at, it->second};
}

}  // namespace ingot
