// Opening the index so that it agrees with the packs that are there: unknown packs are read in from their directories, an index
// that is missing or damaged, or that knows packs which are gone, is rebuilt (I6).
//
// A reader may not write beside a writer: it mends only if nobody is adding; else it uses the index as it is, with vanished packs
// hidden, or makes one of its own in the spool folder.
//
// Thread safety: one thread. Errors: Error{failed}; packs whose directories cannot be read are named through core.warn and left
// out.
#pragma once

#include "store/repository_core.h"

namespace ingot {

void open_index(RepositoryCore& core);
// Throws the index away and makes it again from the packs.
void rebuild_index(RepositoryCore& core);
// Removes a temporary index.
void close_index(RepositoryCore& core);

// Packs by listing: number -> (id, size). Throws Error{failed} where listing fails: an error is never an empty listing.
struct ListedPack {
    PackId id;
    uint64_t size = 0;
};
std::unordered_map<PackNumber, ListedPack> list_packs(BlobStore& blobs);

}  // namespace ingot
