// Floats as byte planes (docs/format.md, "Float planes"): each 32-bit little-endian word is rotated left by one bit, so that a
// float's exponent fills its highest byte and its sign joins the mantissa; then the words' lowest bytes come first, then all
// second bytes, and so on. Exponents of embeddings take few values and compress; mantissas do not.
//
// Pure functions, bytes in, bytes out. Thread safety: any thread.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "base/bytes.h"

namespace ingot {

inline constexpr size_t kFloatPlanes = 4;

// Plane p of `floats` (4 bytes each) goes to out[p * stride]. `out` has 3 * stride + floats.size() / 4 bytes, stride is at
// least floats.size() / 4.
void split_planes(ByteView floats, std::span<uint8_t> out, size_t stride);

// The other way round: four planes of floats.size() / 4 bytes each.
void join_planes(const std::array<const uint8_t*, kFloatPlanes>& planes, std::span<uint8_t> floats);

// The same without vector instructions, for processors that lack them; the tests hold the two against each other.
void split_planes_portable(ByteView floats, std::span<uint8_t> out, size_t stride);
void join_planes_portable(const std::array<const uint8_t*, kFloatPlanes>& planes, std::span<uint8_t> floats);

}  // namespace ingot
