// Fetching many chunks: sorted by pack and segment, so that each segment is read and opened once, several at a time.
//
//   locate(wanted)    where each lies, by the index
//   fetch(located)    reads, opens, verifies and delivers; asks the index nothing more, so that the next are located meanwhile
//
// Thread safety: one locate and one fetch at a time, which may be at the same time; the sink is called from several threads.
// Errors: as ReadSink::lost decides.
#pragma once

#include <unordered_map>
#include <vector>

#include "store/reader.h"
#include "store/repository_core.h"

namespace ingot {

struct WantedChunk {
    Digest digest;
    Location location;  // filled in by locate
    uint64_t cookie = 0;
    uint64_t offset = 0;  // in its stream
    uint64_t length = 0;
};

// In pack order.
struct LocatedChunks {
    std::vector<WantedChunk> chunks;
    std::unordered_map<PackNumber, PackId> packs;  // that they lie in
};

// What is in no pack is lost to the sink.
LocatedChunks locate(RepositoryCore& core, ChunkKind kind, std::vector<WantedChunk> wanted, ReadSink& sink);

// Delivers them all, each verified against its digest.
void fetch(const RepositoryCore& core, const LocatedChunks& located, ReadSink& sink, Progress& progress);

}  // namespace ingot
