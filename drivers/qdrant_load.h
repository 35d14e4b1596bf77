// Loading archives into a new collection, beside whatever is live; counted, and green, when it returns.
//
// Thread safety: one thread. Errors: Error{failed}, also for archives that the server does not take; Error{interrupted}.
#pragma once

#include <functional>
#include <string>

#include "base/filesystem.h"
#include "drivers/qdrant_api.h"
#include "drivers/qdrant_record.h"

namespace ingot {

struct QdrantLoad {
    FileSystem& fs;
    const QdrantSettings& settings;
    // Of each archive of the collection (qdrant_archives), where it lies.
    std::function<std::string(const std::string& listing_path)> path_of;
};

// Only a server of the same minor version loads a collection; a newer patch is promised to, an older one is not.
EngineMatch match_qdrant_versions(const std::string& recorded, const std::string& live, const QdrantSettings& settings);
// Throws Error{incompatible} where that is refused.
void require_qdrant_version(const std::string& recorded, const std::string& live, const QdrantSettings& settings);

// `name` is made anew: what is there of that name is removed. On an error nothing of it stays, unless the server is gone.
void load_qdrant_collection(QdrantApi& api, const QdrantLoad& load, const QdrantCollection& collection, const std::string& name);

}  // namespace ingot
