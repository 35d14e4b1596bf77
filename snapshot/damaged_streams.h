// Which streams of a snapshot lost bytes, and where else such a source is whole: what a person needs to know at night when a
// restore, or a verify, says that data is damaged.
//
// Everything is read back for it, in pack order and past what is lost. This takes as long as a restore to a folder and runs only
// where damage was found already.
//
// Thread safety: one thread. Errors: Error{interrupted}, and those of the store but Error{damaged}, which is the answer here.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "base/progress.h"
#include "snapshot/catalog.h"

namespace ingot {

struct ContentOrder {
    bool operator()(const StreamRoot& a, const StreamRoot& b) const {
        return std::tie(a.digest, a.size, a.height) < std::tie(b.digest, b.size, b.height);
    }
};
using Contents = std::set<StreamRoot, ContentOrder>;

struct DamagedSource {
    std::string source;
    bool listing = false;            // the listing itself: nothing of the source can be named
    std::vector<std::string> paths;  // listing paths of streams that lost bytes, in listing order
    Contents lost;                   // their contents
    Contents whole;                  // contents of the others, each read
};

// Of the sources `only`, or of all. Empty: every byte is there.
std::vector<DamagedSource> find_damaged(Repository& repository, const Snapshot& snapshot, const std::vector<std::string>& only,
                                        Progress& progress);

// The snapshot among `others` in which that source is whole, with every stream that was damaged: golden ones first, then the
// newest. Only contents that were not read yet are read, and no more than kMostTried snapshots are: the same packs are likely to
// be missed by all of them.
std::optional<Snapshot> whole_elsewhere(Repository& repository, const Snapshot& snapshot, const DamagedSource& damaged,
                                        const std::vector<Snapshot>& others, Progress& progress);

inline constexpr size_t kMostTried = 20;

}  // namespace ingot
