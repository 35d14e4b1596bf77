#include "store/pack_format.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "store/hash.h"

namespace ingot {

static constexpr std::string_view kHeaderMagic = "INGTPACK";
static constexpr std::string_view kFooterMagic = "INGTPEND";
static constexpr uint64_t kDirectoryCounter = UINT64_MAX;
static constexpr uint8_t kKeyModeNone = 0, kKeyModeEpoch = 1;

std::array<uint8_t, kPackHeaderBytes> encode_pack_header(const PackHeader& header) {
    Encoder out;
    out.raw(kHeaderMagic).u16(1).u8(static_cast<uint8_t>(header.kind)).u8(static_cast<uint8_t>(header.seal));
    out.u8(header.seal == Seal::none ? kKeyModeNone : kKeyModeEpoch).u8(0).u16(0).u32(header.epoch).u32(0).raw(header.salt);
    std::array<uint8_t, kPackHeaderBytes> bytes;
    std::copy(out.bytes().begin(), out.bytes().end(), bytes.begin());
    return bytes;
}

PackHeader decode_pack_header(ByteView bytes) {
    Decoder in(bytes, "a pack's header");
    in.expect(kHeaderMagic);
    if (in.u16() != 1) in.fail("an unknown version");
    PackHeader header;
    const uint8_t kind = in.u8();
    if (kind != 1 && kind != 2) in.fail("an unknown kind");
    header.kind = static_cast<ChunkKind>(kind);
    const uint8_t seal = in.u8();
    if (seal > 2) in.fail("an unknown seal");
    header.seal = static_cast<Seal>(seal);
    if (in.u8() != (header.seal == Seal::none ? kKeyModeNone : kKeyModeEpoch)) in.fail("an unknown key mode");
    in.expect_zeros(3);
    header.epoch = in.u32();
    in.expect_zeros(4);
    const ByteView salt = in.raw(header.salt.size());
    std::copy(salt.begin(), salt.end(), header.salt.begin());
    in.finish();
    return header;
}

Bytes segment_associated_data(const RepositoryId& repository, ByteView header, uint64_t counter) {
    return Encoder().raw(repository.view()).raw(header).u64(counter).take();
}

static Bytes table_associated_data(const RepositoryId& repository, ByteView header, ByteView public_part) {
    return Encoder().raw(repository.view()).raw(header).u64(kDirectoryCounter).raw(public_part).take();
}

Bytes encode_directory(const std::vector<SegmentEntry>& segments, ByteView header, const Sealer& sealer,
                       const RepositoryId& repository) {
    Encoder table;
    for (const SegmentEntry& segment : segments) {
        table.u8(static_cast<uint8_t>(segment.compression)).u8(static_cast<uint8_t>(segment.content)).u16(0);
        table.u32(segment.plain_length).u32(static_cast<uint32_t>(segment.chunks.size()));
        for (const ChunkEntry& chunk : segment.chunks) table.raw(chunk.id.view()).u32(chunk.length);
    }
    Bytes sealed = table.take();
    Encoder out;
    out.u32(static_cast<uint32_t>(segments.size()));
    for (const SegmentEntry& segment : segments) out.u32(segment.length).raw(segment.tag).u64(segment.xxh3);
    out.u32(static_cast<uint32_t>(sealed.size()));
    const Bytes associated = table_associated_data(repository, header, out.bytes());
    const Tag tag = sealer.seal(kDirectoryCounter, associated, sealed);
    return out.raw(tag).raw(sealed).take();
}

// Reads the public part; leaves the decoder at the table's length.
static std::vector<SegmentEntry> decode_segments(Decoder& in) {
    std::vector<SegmentEntry> segments(in.count(4 + 16 + 8));
    if (segments.size() > kMaxSegmentsPerPack) in.fail("too many segments");
    uint64_t offset = kPackHeaderBytes;
    for (SegmentEntry& segment : segments) {
        segment.offset = offset;
        segment.length = in.u32();
        if (segment.length == 0 || segment.length > kMaxSegmentPlainBytes) in.fail("an impossible segment length");
        const ByteView tag = in.raw(segment.tag.size());
        std::copy(tag.begin(), tag.end(), segment.tag.begin());
        segment.xxh3 = in.u64();
        offset += segment.length;
    }
    return segments;
}

std::vector<SegmentEntry> decode_public_directory(ByteView directory) {
    Decoder in(directory, "a pack's directory");
    std::vector<SegmentEntry> segments = decode_segments(in);
    const uint32_t length = in.u32();
    in.raw(sizeof(Tag));
    if (in.left() != length) in.fail("its table has another length");
    return segments;
}

std::vector<SegmentEntry> decode_directory(ByteView directory, ByteView header, const Sealer& sealer,
                                           const RepositoryId& repository) {
    Decoder in(directory, "a pack's directory");
    std::vector<SegmentEntry> segments = decode_segments(in);
    const uint32_t length = in.u32();
    const ByteView public_part = directory.first(directory.size() - in.left());
    Tag tag;
    const ByteView tag_bytes = in.raw(tag.size());
    std::copy(tag_bytes.begin(), tag_bytes.end(), tag.begin());
    const ByteView sealed = in.raw(length);
    in.finish();
    Bytes table(sealed.begin(), sealed.end());
    sealer.unseal(kDirectoryCounter, table_associated_data(repository, header, public_part), table, tag);

    Decoder rows(table, "a pack's chunk table");
    uint64_t chunks = 0;
    for (SegmentEntry& segment : segments) {
        const uint8_t compression = rows.u8();
        const uint8_t content = rows.u8();
        if (compression > 2 || content > 1) rows.fail("an unknown kind of segment");
        segment.compression = static_cast<Compression>(compression);
        segment.content = static_cast<Content>(content);
        rows.expect_zeros(2);
        segment.plain_length = rows.u32();
        if (segment.plain_length > kMaxSegmentPlainBytes) rows.fail("an impossible plain length");
        segment.chunks.resize(rows.count(36));
        uint64_t sum = 0;
        for (ChunkEntry& chunk : segment.chunks) {
            chunk.id = rows.name<ChunkId>();
            chunk.length = rows.u32();
            if (chunk.length == 0 || chunk.length > kMaxChunkBytes) rows.fail("an impossible chunk length");
            sum += chunk.length;
        }
        if (sum != segment.plain_length) rows.fail("chunks do not add up to their segment");
        chunks += segment.chunks.size();
    }
    rows.finish();
    if (chunks > kMaxChunksPerPack) rows.fail("too many chunks");
    return segments;
}

Bytes encode_pack_footer(const PackFooter& footer) {
    return Encoder().u64(footer.directory_offset).u32(footer.directory_length).raw(footer.id.view()).raw(kFooterMagic).take();
}

PackFooter decode_pack_footer(ByteView bytes, uint64_t pack_size) {
    Decoder in(bytes, "a pack's footer");
    PackFooter footer;
    footer.directory_offset = in.u64();
    footer.directory_length = in.u32();
    footer.id = in.name<PackId>();
    in.expect(kFooterMagic);
    in.finish();
    if (footer.directory_offset < kPackHeaderBytes || footer.directory_length > kMaxDirectoryBytes ||
        footer.directory_offset > pack_size ||
        pack_size - footer.directory_offset != footer.directory_length + kPackFooterBytes) {
        in.fail("it does not fit the pack's size");
    }
    return footer;
}

PackId pack_id_of(ByteView header, ByteView directory) {
    Sha256 hash;
    hash.update(header);
    hash.update(directory);
    return PackId::from(hash.finish().view());
}

std::string pack_name(const PackId& id) {
    const std::string hex = id.hex();
    return fmt::format("packs/{}/{}", hex.substr(0, 2), hex);
}

std::optional<PackId> pack_id_from_name(std::string_view name) {
    constexpr size_t kLength = 6 + 3 + 64;
    if (name.size() != kLength || !name.starts_with("packs/") || name[8] != '/' || name.substr(6, 2) != name.substr(9, 2))
        return std::nullopt;
    const std::string_view hex = name.substr(9);
    if (hex.find_first_not_of("0123456789abcdef") != std::string_view::npos) return std::nullopt;
    return PackId::from_hex(hex);
}

}  // namespace ingot
