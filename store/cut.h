// Cutting by content: FastCDC (Xia et al., USENIX ATC 2016) with normalised chunking over a gear table keyed per repository.
//
// A pure core: bytes in, a length out; no I/O, no allocation, no state. Thread safety: const members from any thread.
#pragma once

#include <array>
#include <cstdint>

#include "base/bytes.h"
#include "base/stream.h"

namespace ingot {

inline constexpr uint32_t kMaxChunkBytes = 1 << 20;

struct CutParameters {
    uint32_t min_bytes = 4 << 10;
    uint32_t average_bytes = 16 << 10;  // a power of two
    uint32_t max_bytes = 64 << 10;
};

class Cutter {
public:
    // The gear table is HMAC-SHA-256(key, "gear" || byte), first eight bytes.
    Cutter(ByteView key, const CutParameters& parameters);

    const CutParameters& parameters() const { return parameters_; }

    // The length of the first chunk of `bytes`, which begin where a chunk begins and hold at least max_bytes, or the rest of
    // the section. Never 0 for bytes that are not empty.
    size_t first_chunk(ByteView bytes) const;

private:
    CutParameters parameters_;
    uint64_t mask_before_;  // stricter, up to the average size
    uint64_t mask_after_;   // laxer, beyond it
    std::array<uint64_t, 256> gear_;
};

// The block length of a section cut in blocks: whole elements, at most kMaxChunkBytes; 0 where that cannot be (then cdc).
uint32_t block_length(const Section& section);

}  // namespace ingot
