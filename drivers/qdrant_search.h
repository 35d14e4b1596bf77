// Known queries of a Qdrant collection: which stored points they are, and their exact neighbours.
//
// Points are spread over the ids that there are, found by a few dozen requests, however many points there are: numbers evenly
// from the lowest to the highest, UUIDs evenly over all that there could be. The same points give the same queries.
// Thread safety: as its api. Errors: Error{failed}.
#pragma once

#include <vector>

#include "drivers/qdrant_api.h"
#include "drivers/top_k.h"

namespace ingot {

std::vector<TopKQuery> search_qdrant(QdrantApi& api, const QdrantSettings& settings, const TopKRequest& request);

}  // namespace ingot
