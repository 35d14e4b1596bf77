// A listing, read one entry ahead. Paths that would leave their folder are refused here (path_below).
//
// Thread safety: one thread. Errors: Error{damaged}.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "restore/live_roots.h"
#include "snapshot/listing.h"
#include "snapshot/materialise.h"

namespace ingot {

class ListingCursor {
public:
    explicit ListingCursor(std::function<std::optional<ListedEntry>()> next) : next_(std::move(next)) { step(); }

    const std::optional<ListedEntry>& peek() const { return ahead_; }
    ListedEntry take() {
        ListedEntry taken = std::move(*ahead_);
        step();
        return taken;
    }
    bool below(const std::string& folder) const {
        return ahead_ && ahead_->entry.path.size() > folder.size() && is_below(ahead_->entry.path, folder);
    }
    void skip_below(const std::string& folder) {
        while (below(folder)) step();
    }

private:
    void step() {
        ahead_ = next_();
        if (ahead_) (void)path_below(ahead_->entry.path);
    }

    std::function<std::optional<ListedEntry>()> next_;
    std::optional<ListedEntry> ahead_;
};

}  // namespace ingot
