#define ZSTD_STATIC_LINKING_ONLY  // for the literals' mode, which the library exports but calls experimental
#include "store/compress.h"

#include <zstd.h>

#include <algorithm>
#include <array>
#include <memory>
#include <new>
#include <optional>

#include "base/error.h"
#include "store/float_planes.h"

namespace ingot {
namespace {

// Level 1: on two cores text then goes as fast as it is read; level 3 is a third smaller step for half the speed
// (docs/decisions/).
constexpr int kLevel = 1;
// A sample that does not shrink by 3 % speaks for its segment: compressing all of it would cost more than it saves.
constexpr size_t kSampleBytes = 32 << 10;
constexpr size_t shrunk(size_t bytes) { return bytes * 97 / 100; }
// Floats are sampled at two places, each several vectors long, so that vectors that repeat are seen.
constexpr size_t kFloatSamplePieces = 2, kFloatSampleBytes = 8 << 10;

// How zstd goes about a piece. Entropy: only the Huffman coding of the bytes. A negative level makes the match search leap
// (this one sees next to nothing, and goes five times as fast as level 1), and would leave literals as they are.
enum class Effort { entropy, level_1 };
constexpr int kEntropyLevel = -1000;

ZSTD_CCtx* new_compressor(Effort effort) {
    ZSTD_CCtx* const context = ZSTD_createCCtx();
    if (context == nullptr) throw std::bad_alloc();
    (void)ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, effort == Effort::entropy ? kEntropyLevel : kLevel);
    if (effort == Effort::entropy)
        (void)ZSTD_CCtx_setParameter(context, ZSTD_c_literalCompressionMode, static_cast<int>(ZSTD_lcm_huffman));
    return context;
}

ZSTD_CCtx* compressor(Effort effort) {
    using Owned = std::unique_ptr<ZSTD_CCtx, size_t (*)(ZSTD_CCtx*)>;
    thread_local const Owned entropy(new_compressor(Effort::entropy), ZSTD_freeCCtx);
    thread_local const Owned level_1(new_compressor(Effort::level_1), ZSTD_freeCCtx);
    return (effort == Effort::entropy ? entropy : level_1).get();
}

ZSTD_DCtx* decompressor() {
    thread_local const std::unique_ptr<ZSTD_DCtx, size_t (*)(ZSTD_DCtx*)> context(ZSTD_createDCtx(), ZSTD_freeDCtx);
    return context.get();
}

// Bytes written to `out`, or 0 where it would not fit.
size_t compress_into(Effort effort, ByteView plain, std::span<uint8_t> out) {
    const size_t n = ZSTD_compress2(compressor(effort), out.data(), out.size(), plain.data(), plain.size());
    return ZSTD_isError(n) ? 0 : n;
}

// What a piece takes, as far as it shrinks at all.
size_t size_of(Effort effort, ByteView plain, Bytes& scratch) {
    scratch.resize(shrunk(plain.size()));
    const size_t n = compress_into(effort, plain, scratch);
    return n == 0 ? plain.size() : n;
}

void decompress_into(ByteView stored, std::span<uint8_t> plain) {
    const size_t n = ZSTD_decompressDCtx(decompressor(), plain.data(), plain.size(), stored.data(), stored.size());
    if (ZSTD_isError(n) || n != plain.size()) throw Error(Code::damaged, "a compressed segment does not decompress");
}

Compression store(ByteView plain, Bytes& out) {
    out.assign(plain.begin(), plain.end());
    return Compression::stored;
}

// Where segments are built, kept per thread: a fresh vector of the plain length would be filled with zeros first, and keep its
// room after it shrank.
std::span<uint8_t> workspace(size_t bytes) {
    thread_local Bytes space;
    if (space.size() < bytes) space.resize(bytes);
    return {space.data(), bytes};
}

Compression compress_bytes(ByteView plain, Bytes& out) {
    const std::span<uint8_t> packed = workspace(plain.size());
    const size_t n = compress_into(Effort::level_1, plain, packed);
    if (n == 0 || n >= plain.size()) return store(plain, out);
    out.assign(packed.begin(), packed.begin() + static_cast<ptrdiff_t>(n));
    return Compression::zstd;
}

bool worth_trying(ByteView plain, Bytes& scratch) {
    if (plain.size() <= 2 * kSampleBytes) return true;
    const ByteView sample = plain.subspan((plain.size() - kSampleBytes) / 2, kSampleBytes);
    return size_of(Effort::level_1, sample, scratch) != sample.size();
}

// --- floats

constexpr size_t kPlanesHeaderBytes = kFloatPlanes * 4;

// What the samples say of one plane. Empty: it is stored.
using PlaneEfforts = std::array<std::optional<Effort>, kFloatPlanes>;

struct FloatPlan {
    bool plain_zstd = false;  // the floats as they are
    PlaneEfforts planes;
    bool any_plane() const {
        return std::ranges::any_of(planes, [](const auto& effort) { return effort.has_value(); });
    }
};

Bytes sample_of_floats(ByteView floats) {
    if (floats.size() <= kFloatSamplePieces * kFloatSampleBytes) return {floats.begin(), floats.end()};
    Bytes sample;
    for (size_t piece = 1; piece <= kFloatSamplePieces; ++piece) {
        const size_t at = (floats.size() - kFloatSampleBytes) * piece / (kFloatSamplePieces + 1) / 4 * 4;
        const ByteView bytes = floats.subspan(at, kFloatSampleBytes);
        sample.insert(sample.end(), bytes.begin(), bytes.end());
    }
    return sample;
}

FloatPlan plan_of(ByteView floats, Bytes& scratch) {
    const Bytes sample = sample_of_floats(floats);
    const size_t n = sample.size() / 4;
    Bytes planes(sample.size());
    split_planes(sample, planes, n);
    FloatPlan plan;
    size_t total = 0;
    for (size_t p = 0; p < kFloatPlanes; ++p) {
        const ByteView plane = ByteView(planes).subspan(p * n, n);
        const size_t entropy = size_of(Effort::entropy, plane, scratch);
        const size_t level_1 = size_of(Effort::level_1, plane, scratch);
        // Matches are searched for where they save another twentieth; they cost most of the speed.
        if (level_1 < entropy - entropy / 20)
            plan.planes[p] = Effort::level_1;
        else if (entropy != n)
            plan.planes[p] = Effort::entropy;
        total += std::min(entropy, level_1);
    }
    // Whole vectors that repeat are found four times in planes, and once in the floats. A tenth, for samples err.
    plan.plain_zstd = size_of(Effort::level_1, sample, scratch) < total - total / 10;
    return plan;
}

Compression compress_floats(ByteView plain, Bytes& out) {
    const size_t n = plain.size() / 4;
    const ByteView floats = plain.first(n * 4), tail = plain.subspan(n * 4);
    const FloatPlan plan = plan_of(floats, out);
    if (plan.plain_zstd) return compress_bytes(plain, out);
    if (!plan.any_plane()) return store(plain, out);
    thread_local Bytes planes;
    planes.resize(floats.size());
    split_planes(floats, planes, n);
    const std::span<uint8_t> packed = workspace(plain.size());
    Encoder lengths;
    size_t at = kPlanesHeaderBytes;
    for (size_t p = 0; p < kFloatPlanes; ++p) {
        const ByteView plane = ByteView(planes).subspan(p * n, n);
        const size_t room = packed.size() - std::min(packed.size(), at);
        size_t length = 0;
        if (plan.planes[p])
            length = compress_into(*plan.planes[p], plane, packed.subspan(packed.size() - room, std::min(room, shrunk(n))));
        if (length == 0) {
            if (room < n) return store(plain, out);
            copy_bytes(plane, packed.subspan(at));
            length = n;
        }
        lengths.u32(static_cast<uint32_t>(length));
        at += length;
    }
    if (at + tail.size() >= plain.size()) return store(plain, out);
    copy_bytes(lengths.bytes(), packed);
    copy_bytes(tail, packed.subspan(at));
    out.assign(packed.begin(), packed.begin() + static_cast<ptrdiff_t>(at + tail.size()));
    return Compression::float_planes;
}

void decompress_floats(ByteView stored, size_t plain_length, Bytes& plain) {
    const size_t n = plain_length / 4;
    Decoder in(stored, "a segment of float planes");
    std::array<uint32_t, kFloatPlanes> lengths{};
    for (uint32_t& length : lengths) {
        length = in.u32();
        if (length > n) in.fail("a plane is longer than its floats");
    }
    thread_local Bytes unpacked;
    unpacked.resize(kFloatPlanes * n);
    std::array<const uint8_t*, kFloatPlanes> planes{};
    for (size_t p = 0; p < kFloatPlanes; ++p) {
        const ByteView bytes = in.raw(lengths[p]);
        planes[p] = bytes.data();
        if (bytes.size() == n) continue;
        decompress_into(bytes, {unpacked.data() + p * n, n});
        planes[p] = unpacked.data() + p * n;
    }
    const ByteView tail = in.raw(plain_length % 4);
    in.finish();
    plain.resize(plain_length);
    join_planes(planes, {plain.data(), n * 4});
    copy_bytes(tail, std::span(plain).subspan(n * 4));
}

}  // namespace

Compression compress(ByteView plain, Bytes& out, Content content) {
    // Less than a few floats would be outweighed by the planes' lengths.
    if (content == Content::f32 && plain.size() > 4 * kPlanesHeaderBytes) return compress_floats(plain, out);
    return worth_trying(plain, out) ? compress_bytes(plain, out) : store(plain, out);
}

void decompress(Compression compression, ByteView stored, size_t plain_length, Bytes& plain) {
    switch (compression) {
        case Compression::stored:
            if (stored.size() != plain_length) throw Error(Code::damaged, "a stored segment of the wrong length");
            plain.assign(stored.begin(), stored.end());
            return;
        case Compression::zstd:
            plain.resize(plain_length);
            decompress_into(stored, plain);
            return;
        case Compression::float_planes:
            decompress_floats(stored, plain_length, plain);
            return;
    }
    throw Error(Code::damaged, "an unknown kind of compression");
}

}  // namespace ingot
