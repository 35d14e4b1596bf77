// Compression of segments: zstd (RFC 8878), or nothing where it would not pay.
//
// Thread safety: any thread; contexts are kept per thread. Errors: decompress throws Error{damaged}.
#pragma once

#include "base/bytes.h"

namespace ingot {

enum class Compression : uint8_t { stored = 0, zstd = 1 };

// Replaces `out` with the stored form of `plain` and says which it is. Incompressible bytes are recognised by a sample.
Compression compress(ByteView plain, Bytes& out);

// Replaces `plain` with exactly `plain_length` bytes.
void decompress(Compression compression, ByteView stored, size_t plain_length, Bytes& plain);

}  // namespace ingot
