// Cutting by content: FastCDC (Xia et al., USENIX ATC 2016) with normalised chunking over a gear table keyed per repository.
// Arrays of elements (vectors, codes, ids) are cut by the same hash, but asked only where an element ends.
//
// A pure core: bytes in, a length out; no I/O, no allocation, no state. Thread safety: const members from any thread.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/stream.h"

namespace ingot {

inline constexpr uint32_t kMaxChunkBytes = 1 << 20;

struct CutParameters {
    uint32_t min_bytes = 4 << 10;
    uint32_t average_bytes = 16 << 10;  // a power of two
    uint32_t max_bytes = 64 << 10;
};

// How a section of Cut::elements is cut: after an element, with the chance that gives the average asked for, within limits.
struct ElementCuts {
    uint32_t element_bytes = 0;
    uint32_t min_elements = 0;  // a quarter of the average: a chunk of one tiny element would cost more than it holds
    uint32_t max_elements = 0;  // four times the average, and never more than kMaxChunkBytes
    uint64_t threshold = 0;     // a chunk ends after an element whose hash is not above this

    uint32_t max_bytes() const { return element_bytes * max_elements; }
};

// Nothing for sections that are not of Cut::elements, and where no element fits a chunk (then cdc).
std::optional<ElementCuts> element_cuts(const Section& section);

class Cutter {
public:
    // The gear table is HMAC-SHA-256(key, "gear" || byte), first eight bytes.
    Cutter(ByteView key, const CutParameters& parameters);

    const CutParameters& parameters() const { return parameters_; }

    // The length of the first chunk of `bytes`, which begin where a chunk begins and hold at least max_bytes, or the rest of
    // the section. Never 0 for bytes that are not empty.
    size_t first_chunk(ByteView bytes) const;

    // The same for a section of elements; `bytes` begin at an element and hold at least cuts.max_bytes(), or the rest of the
    // section. Whole elements, but for the section's last chunk. Of an element of 64 bytes or more, 64 are looked at, and no
    // other element's: the answer is the same wherever it stands. Shorter elements are hashed with those before them in the
    // chunk, up to 64 bytes.
    size_t first_elements(ByteView bytes, const ElementCuts& cuts) const;

private:
    uint64_t hash_of_element(const uint8_t* element, size_t element_bytes) const;

    CutParameters parameters_;
    uint64_t mask_before_;  // stricter, up to the average size
    uint64_t mask_after_;   // laxer, beyond it
    std::array<uint64_t, 256> gear_;
};

// The block length of a section cut in blocks: whole elements, at most kMaxChunkBytes; 0 where that cannot be (then cdc).
uint32_t block_length(const Section& section);

}  // namespace ingot
