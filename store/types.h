// The names and small values of the store. docs/format.md gives their bytes.
#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.h"

namespace ingot {

using RepositoryId = Name<struct RepositoryTag, 16>;
using WriterId = Name<struct WriterTag, 16>;
using ChunkId = Name<struct ChunkTag, 32>;    // HMAC-SHA-256(id key, kind || digest)
using PackId = Name<struct PackTag, 32>;      // SHA-256(header || directory)
using RecordId = Name<struct RecordTag, 32>;  // SHA-256(the record's file)

enum class ChunkKind : uint8_t { data = 1, meta = 2 };

enum class RecordKind : uint8_t { manifest = 1, attestation = 2, audit = 3, tombstone = 4 };

// The name of a stream's content: the root of its stream tree, and its size. Height 0 is a single chunk, or nothing at all
// (size 0, the digest of no bytes).
struct StreamRoot {
    uint8_t height = 0;
    Digest digest;
    uint64_t size = 0;

    bool operator==(const StreamRoot&) const = default;
};

struct RecordName {
    RecordKind kind;
    RecordId id;

    auto operator<=>(const RecordName&) const = default;
};

}  // namespace ingot
