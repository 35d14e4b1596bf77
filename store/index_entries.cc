#include "store/index_entries.h"

#include <cstring>

#include "base/bytes.h"

namespace ingot {
namespace {

constexpr size_t kKeyBytes = 16;  // of the chunk id: keyed and uniform, so no two chunks of a repository share them
constexpr size_t kPackBytes = 53;

}  // namespace

PackNumber number_of(const PackId& id) {
    PackNumber number;
    std::memcpy(&number, id.bytes.data(), sizeof number);
    return number;
}

ByteView chunk_key(const ChunkId& id) { return id.view().first(kKeyBytes); }
Bytes encode_pack(const IndexedPack& pack) {
    return Encoder()
        .raw(pack.id.view())
        .u8(static_cast<uint8_t>(pack.kind))
        .u64(pack.size)
        .u32(pack.chunks)
        .i64(pack.verified_ms)
        .take();
}

IndexedPack decode_pack(ByteView bytes) {
    if (bytes.size() != kPackBytes) throw IndexDamaged("an entry of a pack in the index has a wrong length");
    Decoder in(bytes, "an index entry of a pack");
    IndexedPack pack;
    pack.id = in.name<PackId>();
    pack.kind = static_cast<ChunkKind>(in.u8());
    pack.size = in.u64();
    pack.chunks = in.u32();
    pack.verified_ms = in.i64();
    in.finish();
    return pack;
}

LocationValue encode_location(const Location& at) {
    LocationValue value;
    size_t filled = 0;
    const auto put = [&](uint64_t number, size_t bytes) {
        for (size_t i = 0; i < bytes; ++i) value[filled++] = static_cast<uint8_t>(number >> (8 * i));
    };
    put(at.pack, 8);
    put(at.segment, 2);
    put(at.offset, 4);
    put(at.length, 4);
    return value;
}

Location decode_location(ByteView bytes) {
    if (bytes.size() != std::tuple_size_v<LocationValue>)
        throw IndexDamaged("an entry of a chunk in the index has a wrong length");
    Decoder in(bytes, "an index entry of a chunk");
    Location location;
    location.pack = in.u64();
    location.segment = in.u16();
    location.offset = in.u32();
    location.length = in.u32();
    in.finish();
    return location;
}

Bytes pack_key(PackNumber number) { return Encoder().u64(number).take(); }
Bytes record_key(const RecordName& name) { return Encoder().u8(static_cast<uint8_t>(name.kind)).raw(name.id.view()).take(); }

}  // namespace ingot
