#include "store/cut.h"

#include <algorithm>
#include <bit>

#include "store/hash.h"

namespace ingot {

// Masks take the hash's highest bits: a gear hash shifts left, so those have seen the most bytes (64).
static uint64_t high_bits(uint32_t count) { return ~uint64_t{0} << (64 - count); }

Cutter::Cutter(ByteView key, const CutParameters& parameters) : parameters_(parameters) {
    // Normalisation of two bits: four times less likely to cut before the average size, four times more likely after it.
    // It keeps sizes close together; one bit wastes chunks on the tail, three make boundaries follow the size, not the content.
    const auto bits = static_cast<uint32_t>(std::bit_width(parameters.average_bytes) - 1);
    mask_before_ = high_bits(bits + 2);
    mask_after_ = high_bits(bits - 2);
    const HmacSha256 hmac(key);
    for (size_t i = 0; i < gear_.size(); ++i) {
        const auto byte = static_cast<uint8_t>(i);
        const Digest digest = hmac({view_of("gear"), ByteView(&byte, 1)});
        uint64_t value = 0;
        for (size_t k = 0; k < 8; ++k) value |= static_cast<uint64_t>(digest.bytes[k]) << (8 * k);
        gear_[i] = value;
    }
}

size_t Cutter::first_chunk(ByteView bytes) const {
    const size_t end = std::min<size_t>(bytes.size(), parameters_.max_bytes);
    if (end <= parameters_.min_bytes) return end;
    const size_t middle = std::min<size_t>(end, parameters_.average_bytes);
    uint64_t hash = 0;
    size_t i = parameters_.min_bytes;
    for (; i < middle; ++i) {
        hash = (hash << 1) + gear_[bytes[i]];
        if ((hash & mask_before_) == 0) return i + 1;
    }
    for (; i < end; ++i) {
        hash = (hash << 1) + gear_[bytes[i]];
        if ((hash & mask_after_) == 0) return i + 1;
    }
    return end;
}

uint32_t block_length(const Section& section) {
    const uint64_t element = section.element_bytes;
    if (section.cut != Cut::blocks || element == 0 || element > kMaxChunkBytes) return 0;
    const uint64_t wanted = std::max<uint64_t>(1, section.elements_per_block);
    return static_cast<uint32_t>(element * std::min<uint64_t>(wanted, kMaxChunkBytes / element));
}

}  // namespace ingot
