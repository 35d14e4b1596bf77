// Fetching many chunks: sorted by pack and segment, so that each segment is read and opened once, several at a time.
//
// Thread safety: one call at a time; the sink is called from several threads. Errors: as ReadSink::lost decides.
#pragma once

#include <vector>

#include "store/reader.h"
#include "store/repository_core.h"

namespace ingot {

struct WantedChunk {
    Digest digest;
    Location location;  // filled in by fetch
    uint64_t cookie = 0;
    uint64_t offset = 0;  // in its stream
    uint64_t length = 0;
};

// Delivers all of `wanted`, each verified against its digest. Reorders the vector.
void fetch(RepositoryCore& core, ChunkKind kind, std::vector<WantedChunk>& wanted, ReadSink& sink, Progress& progress);

}  // namespace ingot
