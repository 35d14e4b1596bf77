// Single chunks by digest: nodes of stream trees, and the chunks of small streams. Opened segments and pack directories are
// cached, because the nodes of one stream were stored one after the other.
//
// Thread safety: one thread. Errors: Error{damaged}.
#pragma once

#include <list>
#include <memory>

#include "store/pack_reader.h"
#include "store/repository_core.h"

namespace ingot {

class MetaChunks {
public:
    explicit MetaChunks(RepositoryCore& core) : core_(core) {}

    // Verified: its SHA-256 is `digest`. Borrowed until the next call.
    ByteView chunk(ChunkKind kind, const Digest& digest);

private:
    struct OpenSegment {
        PackNumber pack;
        size_t segment;
        Bytes plain;
    };
    const Bytes& segment(const Location& location);
    const PackReader& pack(PackNumber number);

    RepositoryCore& core_;
    std::list<OpenSegment> segments_;               // most recent first
    std::list<std::unique_ptr<PackReader>> packs_;  // likewise
    Bytes sealed_;
};

}  // namespace ingot
