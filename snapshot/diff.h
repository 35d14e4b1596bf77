// What differs between two snapshots: entries, and how many bytes of content are new. Reads meta packs only, except for the
// `env` sources, whose files are read to name the keys that differ (names only, never values).
//
// Thread safety: one thread. Errors: Error{damaged}.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "snapshot/catalog.h"
#include "store/repository.h"

namespace ingot {

struct Difference {
    enum class What { added, removed, changed, metadata } what;
    std::string source;
    std::string path;
    uint64_t bytes_before = 0;
    uint64_t bytes_after = 0;
    uint64_t bytes_new = 0;         // of chunks of the later content that the earlier does not hold
    std::vector<std::string> keys;  // env: "+NEW_KEY", "-OLD_KEY", "~CHANGED_KEY"
};

void diff_snapshots(Repository& repository, const Snapshot& before, const Snapshot& after,
                    const std::function<void(const Difference&)>& each);

}  // namespace ingot
