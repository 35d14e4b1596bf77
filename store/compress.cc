#include "store/compress.h"

#include <zstd.h>

#include <memory>

#include "base/error.h"

namespace ingot {
namespace {

// Level 1: on two cores text then goes as fast as it is read; level 3 is a third smaller step for half the speed
// (docs/decisions/).
constexpr int kLevel = 1;
// A sample that does not shrink by 3 % speaks for its segment: compressing all of it would cost more than it saves.
constexpr size_t kSampleBytes = 32 << 10;

ZSTD_CCtx* compressor() {
    thread_local const std::unique_ptr<ZSTD_CCtx, size_t (*)(ZSTD_CCtx*)> context(ZSTD_createCCtx(), ZSTD_freeCCtx);
    return context.get();
}

ZSTD_DCtx* decompressor() {
    thread_local const std::unique_ptr<ZSTD_DCtx, size_t (*)(ZSTD_DCtx*)> context(ZSTD_createDCtx(), ZSTD_freeDCtx);
    return context.get();
}

// Bytes written to `out`, or 0 where it would not fit.
size_t compress_into(ByteView plain, std::span<uint8_t> out) {
    const size_t n = ZSTD_compressCCtx(compressor(), out.data(), out.size(), plain.data(), plain.size(), kLevel);
    return ZSTD_isError(n) ? 0 : n;
}

bool worth_trying(ByteView plain, Bytes& scratch) {
    if (plain.size() <= 2 * kSampleBytes) return true;
    scratch.resize(kSampleBytes * 97 / 100);
    return compress_into(plain.subspan((plain.size() - kSampleBytes) / 2, kSampleBytes), scratch) != 0;
}

}  // namespace

Compression compress(ByteView plain, Bytes& out) {
    if (worth_trying(plain, out)) {
        out.resize(plain.size());
        const size_t n = compress_into(plain, out);
        if (n != 0 && n < plain.size()) {
            out.resize(n);
            return Compression::zstd;
        }
    }
    out.assign(plain.begin(), plain.end());
    return Compression::stored;
}

void decompress(Compression compression, ByteView stored, size_t plain_length, Bytes& plain) {
    if (compression == Compression::stored) {
        if (stored.size() != plain_length) throw Error(Code::damaged, "a stored segment of the wrong length");
        plain.assign(stored.begin(), stored.end());
        return;
    }
    if (compression != Compression::zstd) throw Error(Code::damaged, "an unknown kind of compression");
    plain.resize(plain_length);
    const size_t n = ZSTD_decompressDCtx(decompressor(), plain.data(), plain.size(), stored.data(), stored.size());
    if (ZSTD_isError(n) || n != plain_length) throw Error(Code::damaged, "a compressed segment does not decompress");
}

}  // namespace ingot
