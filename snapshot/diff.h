// What differs between two snapshots: entries, and how many bytes of content are new. Reads meta packs only, except for the
// `env` sources, whose files are read to name the keys that differ (names only, never values).
//
// Sources come in the order of their names, the entries of one in listing order.
//
// Thread safety: one thread. Errors: Error{damaged}.
#pragma once

#include <functional>
#include <string>
#include <utility>
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
    uint64_t bytes_new = 0;         // of chunks of the later content that the earlier content of this path does not hold
    std::vector<std::string> keys;  // env: "+NEW_KEY", "-OLD_KEY", "~CHANGED_KEY"
};

// The keys and values of an env file, in its order: cli/ hands in the env driver's parser. Values are compared, never kept.
using ParseEnv = std::function<std::vector<std::pair<std::string, std::string>>(ByteView file)>;

void diff_snapshots(Repository& repository, const Snapshot& before, const Snapshot& after, const ParseEnv& parse_env,
                    const std::function<void(const Difference&)>& each);

}  // namespace ingot
