// Keys and values of the index, as its families hold them. All numbers are little-endian.
//
//   chunks    16 bytes of the chunk's keyed id   -> u64 pack number, u16 segment, u32 offset in it, u32 length
//   packs     u64 pack number                    -> 32 bytes pack id, u8 kind, u64 size, u32 chunks, i64 verified, ms
//   catalog   u8 record kind, 32 bytes record id -> the sealed record
//
// Thread safety: pure functions. Errors: IndexDamaged for a value of another form.
#pragma once

#include "store/index.h"

namespace ingot {

using LocationValue = std::array<uint8_t, 18>;  // there are very many: none is allocated

// Borrowed from the id.
ByteView chunk_key(const ChunkId& id);
LocationValue encode_location(const Location& at);
Location decode_location(ByteView bytes);

Bytes pack_key(PackNumber number);
Bytes encode_pack(const IndexedPack& pack);
IndexedPack decode_pack(ByteView bytes);

Bytes record_key(const RecordName& name);

}  // namespace ingot
