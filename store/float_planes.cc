#include "store/float_planes.h"

#ifdef __SSE2__
#include <immintrin.h>
#endif

#include <bit>
#include <cassert>

namespace ingot {
namespace {

// One float after the other, from float `first` on.
void split_rest(ByteView floats, std::span<uint8_t> out, size_t stride, size_t first) {
    const size_t n = floats.size() / 4;
    for (size_t i = first; i < n; ++i) {
        const uint8_t* at = floats.data() + i * 4;
        const uint32_t word = static_cast<uint32_t>(at[0]) | static_cast<uint32_t>(at[1]) << 8 |
                              static_cast<uint32_t>(at[2]) << 16 | static_cast<uint32_t>(at[3]) << 24;
        const uint32_t rotated = std::rotl(word, 1);
        for (size_t p = 0; p < kFloatPlanes; ++p) out[p * stride + i] = static_cast<uint8_t>(rotated >> (8 * p));
    }
}

void join_rest(const std::array<const uint8_t*, kFloatPlanes>& planes, std::span<uint8_t> floats, size_t first) {
    const size_t n = floats.size() / 4;
    for (size_t i = first; i < n; ++i) {
        uint32_t rotated = 0;
        for (size_t p = 0; p < kFloatPlanes; ++p) rotated |= static_cast<uint32_t>(planes[p][i]) << (8 * p);
        const uint32_t word = std::rotr(rotated, 1);
        for (size_t b = 0; b < 4; ++b) floats[i * 4 + b] = static_cast<uint8_t>(word >> (8 * b));
    }
}

}  // namespace

void split_planes_portable(ByteView floats, std::span<uint8_t> out, size_t stride) { split_rest(floats, out, stride, 0); }

void join_planes_portable(const std::array<const uint8_t*, kFloatPlanes>& planes, std::span<uint8_t> floats) {
    join_rest(planes, floats, 0);
}

#ifdef __SSE2__

// SSE2 is part of every x86-64, so nothing is asked at run time; wider vectors were tried and the memory is the limit.
static constexpr size_t kAtOnce = 16;

void split_planes(ByteView floats, std::span<uint8_t> out, size_t stride) {
    const size_t n = floats.size() / 4;
    assert(stride >= n && out.size() >= 3 * stride + n);
    const __m128i low_byte = _mm_set1_epi32(0xff);
    size_t i = 0;
    for (; i + kAtOnce <= n; i += kAtOnce) {
        const auto* from = reinterpret_cast<const __m128i*>(floats.data() + i * 4);
        __m128i words[4];
        for (size_t k = 0; k < 4; ++k) {
            const __m128i word = _mm_loadu_si128(from + k);
            words[k] = _mm_or_si128(_mm_slli_epi32(word, 1), _mm_srli_epi32(word, 31));
        }
        for (size_t p = 0; p < kFloatPlanes; ++p) {
            __m128i bytes[4];
            for (size_t k = 0; k < 4; ++k) bytes[k] = _mm_and_si128(_mm_srli_epi32(words[k], static_cast<int>(8 * p)), low_byte);
            const __m128i plane = _mm_packus_epi16(_mm_packs_epi32(bytes[0], bytes[1]), _mm_packs_epi32(bytes[2], bytes[3]));
            _mm_storeu_si128(reinterpret_cast<__m128i*>(out.data() + p * stride + i), plane);
        }
    }
    split_rest(floats, out, stride, i);
}

void join_planes(const std::array<const uint8_t*, kFloatPlanes>& planes, std::span<uint8_t> floats) {
    const size_t n = floats.size() / 4;
    size_t i = 0;
    for (; i + kAtOnce <= n; i += kAtOnce) {
        const auto plane = [&](size_t p) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(planes[p] + i)); };
        const __m128i low_a = _mm_unpacklo_epi8(plane(0), plane(1)), low_b = _mm_unpackhi_epi8(plane(0), plane(1));
        const __m128i high_a = _mm_unpacklo_epi8(plane(2), plane(3)), high_b = _mm_unpackhi_epi8(plane(2), plane(3));
        const __m128i words[4] = {_mm_unpacklo_epi16(low_a, high_a), _mm_unpackhi_epi16(low_a, high_a),
                                  _mm_unpacklo_epi16(low_b, high_b), _mm_unpackhi_epi16(low_b, high_b)};
        auto* to = reinterpret_cast<__m128i*>(floats.data() + i * 4);
        for (size_t k = 0; k < 4; ++k)
            _mm_storeu_si128(to + k, _mm_or_si128(_mm_srli_epi32(words[k], 1), _mm_slli_epi32(words[k], 31)));
    }
    join_rest(planes, floats, i);
}

#else

void split_planes(ByteView floats, std::span<uint8_t> out, size_t stride) { split_rest(floats, out, stride, 0); }

void join_planes(const std::array<const uint8_t*, kFloatPlanes>& planes, std::span<uint8_t> floats) {
    join_rest(planes, floats, 0);
}

#endif

}  // namespace ingot
