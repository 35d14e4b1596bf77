// The bytes of a pack (docs/format.md, "Pack"): header, directory, footer; encoding and decoding only, no I/O.
//
// Thread safety: values. Errors: decode throws Error{damaged}.
#pragma once

#include <vector>

#include "base/stream.h"
#include "store/compress.h"
#include "store/keys.h"
#include "store/seal.h"
#include "store/types.h"

namespace ingot {

inline constexpr size_t kPackHeaderBytes = 48;
inline constexpr size_t kPackFooterBytes = 52;
inline constexpr uint32_t kMaxSegmentPlainBytes = 2 << 20;
inline constexpr uint32_t kMaxSegmentsPerPack = 65'535;
inline constexpr uint32_t kMaxChunksPerPack = 262'144;
// A directory of the most segments and chunks, with room.
inline constexpr uint32_t kMaxDirectoryBytes = 16 << 20;

struct PackHeader {
    ChunkKind kind = ChunkKind::data;
    Seal seal = Seal::none;
    uint32_t epoch = 0;
    Salt salt{};
};

struct ChunkEntry {
    ChunkId id;
    uint32_t length = 0;
};

struct SegmentEntry {
    uint64_t offset = 0;  // in the pack
    uint32_t length = 0;  // sealed
    Tag tag{};
    uint64_t xxh3 = 0;
    Compression compression = Compression::stored;
    Content content = Content::bytes;
    uint32_t plain_length = 0;
    std::vector<ChunkEntry> chunks;
};

struct PackFooter {
    uint64_t directory_offset = 0;
    uint32_t directory_length = 0;
    PackId id;
};

std::array<uint8_t, kPackHeaderBytes> encode_pack_header(const PackHeader& header);
PackHeader decode_pack_header(ByteView bytes);

// The whole directory, its table sealed.
Bytes encode_directory(const std::vector<SegmentEntry>& segments, ByteView header, const Sealer& sealer,
                       const RepositoryId& repository);
// Only what needs no key: lengths, offsets, tags, checksums. Chunks stay empty.
std::vector<SegmentEntry> decode_public_directory(ByteView directory);
// All of it.
std::vector<SegmentEntry> decode_directory(ByteView directory, ByteView header, const Sealer& sealer,
                                           const RepositoryId& repository);

Bytes encode_pack_footer(const PackFooter& footer);
// Checks it against the pack's size.
PackFooter decode_pack_footer(ByteView bytes, uint64_t pack_size);

PackId pack_id_of(ByteView header, ByteView directory);
// The associated data of segment `counter`.
Bytes segment_associated_data(const RepositoryId& repository, ByteView header, uint64_t counter);

// "packs/ab/ab12..."
std::string pack_name(const PackId& id);
// Nothing for a name that is not a pack's.
std::optional<PackId> pack_id_from_name(std::string_view name);

}  // namespace ingot
