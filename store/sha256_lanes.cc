#include "store/sha256_lanes.h"

#ifdef __x86_64__
#include <cpuid.h>
#include <immintrin.h>
#endif

#include <algorithm>
#include <cassert>

namespace ingot {

#ifdef __x86_64__

namespace {

constexpr size_t kBlockBytes = 64;
constexpr size_t kLanes = 2;

// FIPS 180-4, 4.2.2.
alignas(16) constexpr uint32_t kRound[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01,
    0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc,
    0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147,
    0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08,
    0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208,
    0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

// FIPS 180-4, 5.3.3, in the order of the SHA instructions: words f e b a, and h g d c.
alignas(16) constexpr uint32_t kStartAbef[4] = {0x9b05688c, 0x510e527f, 0xbb67ae85, 0x6a09e667};
alignas(16) constexpr uint32_t kStartCdgh[4] = {0x5be0cd19, 0x1f83d9ab, 0xa54ff53a, 0x3c6ef372};

struct Lane {
    __m128i abef, cdgh;
    const uint8_t* at = nullptr;
    size_t blocks = 0;  // left of `at`
    // The message's end: its last bytes, padding and length.
    std::array<uint8_t, 2 * kBlockBytes> end;
    size_t end_blocks = 0;  // not begun yet
    size_t message = 0;
    bool active = false;
};

#define INGOT_SHA __attribute__((target("sha,sse4.1,ssse3")))

// `count` blocks of each of `kN` lanes.
template <size_t kN>
INGOT_SHA inline void run_blocks(Lane* const (&lanes)[kN], size_t count) {
    const __m128i big_endian = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
    __m128i abef[kN], cdgh[kN];
    for (size_t k = 0; k < kN; ++k) abef[k] = lanes[k]->abef, cdgh[k] = lanes[k]->cdgh;
    for (; count > 0; --count) {
        __m128i words[kN][4], before_abef[kN], before_cdgh[kN];
        for (size_t k = 0; k < kN; ++k) before_abef[k] = abef[k], before_cdgh[k] = cdgh[k];
#pragma GCC unroll 16
        for (size_t g = 0; g < 16; ++g) {  // four rounds each
            const __m128i constants = _mm_load_si128(reinterpret_cast<const __m128i*>(kRound + 4 * g));
#pragma GCC unroll 2
            for (size_t k = 0; k < kN; ++k) {
                __m128i(&w)[4] = words[k];
                if (g < 4) {
                    const auto* from = reinterpret_cast<const __m128i*>(lanes[k]->at) + g;
                    w[g] = _mm_shuffle_epi8(_mm_loadu_si128(from), big_endian);
                } else {
                    const __m128i last = w[(g + 3) % 4];
                    const __m128i part =
                        _mm_add_epi32(_mm_sha256msg1_epu32(w[g % 4], w[(g + 1) % 4]), _mm_alignr_epi8(last, w[(g + 2) % 4], 4));
                    w[g % 4] = _mm_sha256msg2_epu32(part, last);
                }
                const __m128i message = _mm_add_epi32(w[g % 4], constants);
                cdgh[k] = _mm_sha256rnds2_epu32(cdgh[k], abef[k], message);
                abef[k] = _mm_sha256rnds2_epu32(abef[k], cdgh[k], _mm_shuffle_epi32(message, 0x0e));
            }
        }
        for (size_t k = 0; k < kN; ++k) {
            abef[k] = _mm_add_epi32(abef[k], before_abef[k]);
            cdgh[k] = _mm_add_epi32(cdgh[k], before_cdgh[k]);
            lanes[k]->at += kBlockBytes;
        }
    }
    for (size_t k = 0; k < kN; ++k) lanes[k]->abef = abef[k], lanes[k]->cdgh = cdgh[k];
}

void begin(Lane& lane, ByteView input, size_t message) {
    lane.abef = _mm_load_si128(reinterpret_cast<const __m128i*>(kStartAbef));
    lane.cdgh = _mm_load_si128(reinterpret_cast<const __m128i*>(kStartCdgh));
    lane.at = input.data();
    lane.blocks = input.size() / kBlockBytes;
    lane.message = message;
    lane.active = true;
    const size_t rest = input.size() % kBlockBytes;
    lane.end_blocks = rest + 1 + 8 <= kBlockBytes ? 1 : 2;  // 0x80, and the length in 8 bytes
    lane.end.fill(0);
    std::copy_n(input.data() + lane.blocks * kBlockBytes, rest, lane.end.begin());
    lane.end[rest] = 0x80;
    const uint64_t bits = uint64_t{input.size()} * 8;
    for (size_t i = 0; i < 8; ++i) lane.end[lane.end_blocks * kBlockBytes - 1 - i] = static_cast<uint8_t>(bits >> (8 * i));
}

Digest digest_of(const Lane& lane) {
    alignas(16) uint32_t abef[4], cdgh[4];
    _mm_store_si128(reinterpret_cast<__m128i*>(abef), lane.abef);
    _mm_store_si128(reinterpret_cast<__m128i*>(cdgh), lane.cdgh);
    const uint32_t words[8] = {abef[3], abef[2], cdgh[3], cdgh[2], abef[1], abef[0], cdgh[1], cdgh[0]};
    Digest digest;
    for (size_t i = 0; i < 32; ++i) digest.bytes[i] = static_cast<uint8_t>(words[i / 4] >> (24 - 8 * (i % 4)));
    return digest;
}

}  // namespace

bool has_sha_instructions() {
    static const bool has = [] {
        unsigned a = 0, b = 0, c = 0, d = 0;
        constexpr unsigned kShaBit = 1U << 29;  // leaf 7, EBX; __builtin_cpu_supports of this compiler does not know it
        return __builtin_cpu_supports("sse4.1") && __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (b & kShaBit) != 0;
    }();
    return has;
}

INGOT_SHA void sha256_in_lanes(std::span<const ByteView> inputs, std::span<Digest> digests) {
    assert(inputs.size() == digests.size());
    Lane lanes[kLanes];
    size_t next = 0;
    // Each lane takes a new message as soon as its own is done, so that both are busy whatever the lengths.
    const auto ready = [&](Lane& lane) {
        while (lane.blocks == 0) {
            if (lane.active && lane.end_blocks > 0) {
                lane.at = lane.end.data();
                lane.blocks = lane.end_blocks;
                lane.end_blocks = 0;
                continue;
            }
            if (lane.active) digests[lane.message] = digest_of(lane);
            lane.active = false;
            if (next == inputs.size()) return false;
            begin(lane, inputs[next], next);
            ++next;
        }
        return true;
    };
    for (;;) {
        const bool first = ready(lanes[0]), second = ready(lanes[1]);
        if (!first && !second) return;
        if (first && second) {
            const size_t count = std::min(lanes[0].blocks, lanes[1].blocks);
            run_blocks<2>({&lanes[0], &lanes[1]}, count);
            lanes[0].blocks -= count;
            lanes[1].blocks -= count;
        } else {
            Lane& lane = first ? lanes[0] : lanes[1];
            run_blocks<1>({&lane}, lane.blocks);
            lane.blocks = 0;
        }
    }
}

#else

bool has_sha_instructions() { return false; }
void sha256_in_lanes(std::span<const ByteView>, std::span<Digest>) { assert(false); }

#endif

}  // namespace ingot
