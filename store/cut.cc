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

// A gear hash of 64 bits forgets what is more than 64 bytes back: that many are what one answer depends on.
static constexpr size_t kWindowBytes = 64;
// They are taken as words of a float's size, spread over the element: the ends of vectors are often all alike (zeros of a
// padded or shortened embedding), their middles seldom are.
static constexpr size_t kWordBytes = 4, kWords = kWindowBytes / kWordBytes;

std::optional<ElementCuts> element_cuts(const Section& section) {
    const uint32_t element = section.element_bytes;
    if (section.cut != Cut::elements || element == 0 || element > kMaxChunkBytes) return std::nullopt;
    const uint32_t most = kMaxChunkBytes / element;
    const uint32_t average = std::clamp<uint32_t>(section.elements_per_block, 1, most);
    ElementCuts cuts{element, std::max<uint32_t>(1, average / 4), std::min<uint32_t>(most, average * 4), 0};
    // After the minimum, which is asked about too, cuts come after 1 / chance elements more.
    cuts.threshold = UINT64_MAX / (average - cuts.min_elements + 1);
    return cuts;
}

uint64_t Cutter::hash_of_element(const uint8_t* element, size_t element_bytes) const {
    uint64_t hash = 0;
    for (size_t word = 0; word < kWords; ++word) {
        const uint8_t* at = element + (element_bytes - kWordBytes) * word / (kWords - 1) / kWordBytes * kWordBytes;
        for (size_t i = 0; i < kWordBytes; ++i) hash = (hash << 1) + gear_[at[i]];
    }
    return hash;
}

size_t Cutter::first_elements(ByteView bytes, const ElementCuts& cuts) const {
    const size_t element = cuts.element_bytes;
    const size_t whole = bytes.size() / element;
    const size_t end = std::min<size_t>(whole, cuts.max_elements);
    if (element >= kWindowBytes) {
        for (size_t n = cuts.min_elements; n <= end; ++n) {
            if (hash_of_element(bytes.data() + (n - 1) * element, element) <= cuts.threshold) return n * element;
        }
    } else if (cuts.min_elements <= end) {
        uint64_t hash = 0;
        const size_t first = size_t{cuts.min_elements} * element;
        size_t i = first - std::min(first, kWindowBytes);
        for (size_t n = cuts.min_elements; n <= end; ++n) {
            for (; i < n * element; ++i) hash = (hash << 1) + gear_[bytes[i]];
            if (hash <= cuts.threshold) return i;
        }
    }
    // Forced by the limit; or the section's end, whose last bytes may be less than an element.
    return whole >= cuts.max_elements ? end * element : bytes.size();
}

uint32_t block_length(const Section& section) {
    const uint64_t element = section.element_bytes;
    if (section.cut != Cut::blocks || element == 0 || element > kMaxChunkBytes) return 0;
    const uint64_t wanted = std::max<uint64_t>(1, section.elements_per_block);
    return static_cast<uint32_t>(element * std::min<uint64_t>(wanted, kMaxChunkBytes / element));
}

}  // namespace ingot
