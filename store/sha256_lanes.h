// SHA-256 of two messages at a time with the processor's SHA instructions. One message leaves them waiting for themselves: each
// round needs the one before. A second message fills the gaps.
//
// Thread safety: any thread.
#pragma once

#include <span>

#include "base/bytes.h"

namespace ingot {

// Whether this processor has the instructions; asked once.
bool has_sha_instructions();

// digests[i] = SHA-256(inputs[i]); both spans have the same length. Only where has_sha_instructions().
void sha256_in_lanes(std::span<const ByteView> inputs, std::span<Digest> digests);

}  // namespace ingot
