// Compression of segments: zstd (RFC 8878); for floats, byte planes of which each is compressed or stored (docs/format.md,
// "Float planes"); or nothing where it would not pay.
//
// Thread safety: any thread; contexts are kept per thread. Errors: decompress throws Error{damaged}.
#pragma once

#include "base/bytes.h"
#include "base/stream.h"

namespace ingot {

enum class Compression : uint8_t { stored = 0, zstd = 1, float_planes = 2 };

// Replaces `out` with the stored form of `plain`, never longer than it, and says which it is. What does not compress is
// recognised by samples. `content` says what is tried; any bytes may be given as any content.
Compression compress(ByteView plain, Bytes& out, Content content = Content::bytes);

// Replaces `plain` with exactly `plain_length` bytes.
void decompress(Compression compression, ByteView stored, size_t plain_length, Bytes& plain);

}  // namespace ingot
