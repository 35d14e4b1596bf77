#include "store/pack_format.h"

#include <gtest/gtest.h>

#include "store/hash.h"
#include "tests/store/code_of.h"
#include "tests/store/sample_pack.h"

namespace ingot {
namespace {

using test::flip_bit;
using test::SamplePack;

struct Parts {
    Bytes header, directory, footer;
};

Parts parts_of(SamplePack& pack) {
    const Bytes& file = pack.file();
    const PackFooter footer = decode_pack_footer(ByteView(file).last(kPackFooterBytes), file.size());
    const auto at = [&](uint64_t offset) { return file.begin() + static_cast<ptrdiff_t>(offset); };
    return {{at(0), at(kPackHeaderBytes)},
            {at(footer.directory_offset), at(footer.directory_offset + footer.directory_length)},
            {at(file.size() - kPackFooterBytes), file.end()}};
}

TEST(PackFormat, HeaderIsReadBackAsItWasWritten) {
    for (const ChunkKind kind : {ChunkKind::data, ChunkKind::meta}) {
        for (const Seal seal : {Seal::none, Seal::aes256_gcm, Seal::chacha20_poly1305}) {
            PackHeader header{kind, seal, 77, {}};
            random_bytes(header.salt);
            const auto bytes = encode_pack_header(header);
            const PackHeader read = decode_pack_header(bytes);
            EXPECT_EQ(read.kind, kind);
            EXPECT_EQ(read.seal, seal);
            EXPECT_EQ(read.epoch, 77U);
            EXPECT_EQ(read.salt, header.salt);
            EXPECT_EQ(text_of(ByteView(bytes).first(8)), "INGTPACK");
        }
    }
}

TEST(PackFormat, EveryFlippedBitOfAHeaderIsRefusedOrChangesThePacksId) {
    SamplePack pack;
    const Parts parts = parts_of(pack);
    size_t refused = 0, other_id = 0;
    for (size_t bit = 0; bit < parts.header.size() * 8; ++bit) {
        Bytes header = parts.header;
        flip_bit(header, bit);
        if (code_of([&] { decode_pack_header(header); }) == Code::damaged) ++refused;
        EXPECT_NE(pack_id_of(header, parts.directory), pack.id);
        ++other_id;
        // Even where the id is made to fit, the directory is bound to the header it was sealed with.
        EXPECT_EQ(code_of([&] {
                      const PackHeader read = decode_pack_header(header);
                      decode_directory(parts.directory, header, pack.keys.directory_sealer(read.seal, pack.repository, read.salt),
                                       pack.repository);
                  }),
                  Code::damaged)
            << "bit " << bit;
    }
    std::printf("header bits flipped: %zu, refused at sight: %zu\n", other_id, refused);
    for (size_t length = 0; length < parts.header.size(); ++length) {
        EXPECT_EQ(code_of([&] { decode_pack_header(ByteView(parts.header).first(length)); }), Code::damaged);
    }
}

TEST(PackFormat, EveryFlippedBitOfADirectoryIsRefused) {
    for (const bool sealed : {true, false}) {
        SamplePack pack(sealed);
        const Parts parts = parts_of(pack);
        const PackHeader header = decode_pack_header(parts.header);
        const Sealer sealer = pack.keys.directory_sealer(header.seal, pack.repository, header.salt);
        size_t flips = 0, harmless = 0;
        for (size_t bit = 0; bit < parts.directory.size() * 8; ++bit, ++flips) {
            Bytes directory = parts.directory;
            flip_bit(directory, bit);
            EXPECT_NE(pack_id_of(parts.header, directory), pack.id);
            const auto code = code_of([&] { decode_directory(directory, parts.header, sealer, pack.repository); });
            // Without keys the public part is covered by the pack's id alone.
            if (sealed) {
                EXPECT_EQ(code, Code::damaged) << "bit " << bit;
            } else if (!code) {
                ++harmless;
            }
        }
        std::printf("directory bits flipped: %zu (%s), left to the pack's id: %zu\n", flips, sealed ? "sealed" : "plain",
                    harmless);
        for (size_t length = 0; length < parts.directory.size(); ++length) {
            EXPECT_EQ(code_of([&] {
                          decode_directory(ByteView(parts.directory).first(length), parts.header, sealer, pack.repository);
                      }),
                      Code::damaged);
            EXPECT_EQ(code_of([&] { decode_public_directory(ByteView(parts.directory).first(length)); }), Code::damaged);
        }
    }
}

TEST(PackFormat, EveryFlippedBitOfAFooterIsRefused) {
    SamplePack pack;
    const Parts parts = parts_of(pack);
    for (size_t bit = 0; bit < parts.footer.size() * 8; ++bit) {
        Bytes footer = parts.footer;
        flip_bit(footer, bit);
        EXPECT_TRUE(code_of([&] { decode_pack_footer(footer, pack.file().size()); }) == Code::damaged ||
                    decode_pack_footer(footer, pack.file().size()).id != pack.id)
            << bit;
    }
    for (const uint64_t size :
         {uint64_t{0}, uint64_t{51}, uint64_t{100}, pack.file().size() - 1, pack.file().size() + 1, UINT64_MAX}) {
        EXPECT_EQ(code_of([&] { decode_pack_footer(parts.footer, size); }), Code::damaged) << size;
    }
    EXPECT_EQ(code_of([&] { decode_pack_footer(encode_pack_footer({UINT64_MAX - 10, 5, {}}), 47); }), Code::damaged);
    EXPECT_EQ(code_of([&] {
                  decode_pack_footer(encode_pack_footer({48, UINT32_MAX, {}}), 48 + uint64_t{UINT32_MAX} + 52);
              }),
              Code::damaged);
}

TEST(PackFormat, DirectoryIsReadBackAsItWasWritten) {
    SamplePack pack;
    const Parts parts = parts_of(pack);
    const PackHeader header = decode_pack_header(parts.header);
    const auto read = decode_directory(parts.directory, parts.header,
                                       pack.keys.directory_sealer(header.seal, pack.repository, header.salt), pack.repository);
    const auto open = decode_public_directory(parts.directory);
    ASSERT_EQ(read.size(), pack.drafts.size());
    ASSERT_EQ(open.size(), read.size());
    for (size_t i = 0; i < read.size(); ++i) {
        EXPECT_EQ(read[i].offset, pack.directory[i].offset);
        EXPECT_EQ(read[i].length, pack.directory[i].length);
        EXPECT_EQ(read[i].tag, pack.directory[i].tag);
        EXPECT_EQ(read[i].content, pack.drafts[i].content);
        EXPECT_EQ(read[i].plain_length, pack.drafts[i].plain.size());
        ASSERT_EQ(read[i].chunks.size(), pack.drafts[i].chunks.size());
        for (size_t c = 0; c < read[i].chunks.size(); ++c) EXPECT_EQ(read[i].chunks[c].id, pack.drafts[i].chunks[c].id);
        EXPECT_EQ(open[i].offset, read[i].offset);
        EXPECT_EQ(open[i].xxh3, xxh3_64(ByteView(pack.file()).subspan(read[i].offset, read[i].length)));
        EXPECT_TRUE(open[i].chunks.empty());
    }
}

// What passes the seal may still lie, in a repository without keys. Each field that bounds an allocation or a copy.
TEST(PackFormat, ADirectoryThatLiesIsRefused) {
    const Sealer none(Seal::none, Secret());
    const Bytes header(kPackHeaderBytes);
    const auto code = [&](std::vector<SegmentEntry> segments) {
        return code_of([&] { decode_directory(encode_directory(segments, header, none, {}), header, none, {}); });
    };
    SegmentEntry good;
    good.length = 10;
    good.plain_length = 8;
    good.chunks = {{{}, 5}, {{}, 3}};
    const auto with = [&](auto change) {
        SegmentEntry segment = good;
        change(segment);
        return std::vector<SegmentEntry>{segment};
    };
    EXPECT_EQ(code({good}), std::nullopt);
    EXPECT_EQ(code({}), std::nullopt);
    EXPECT_EQ(code(with([](SegmentEntry& s) { s.length = 0; })), Code::damaged);
    EXPECT_EQ(code(with([](SegmentEntry& s) { s.length = kMaxSegmentPlainBytes + 1; })), Code::damaged);
    EXPECT_EQ(code(with([](SegmentEntry& s) { s.plain_length = 9; })), Code::damaged);
    EXPECT_EQ(code(with([](SegmentEntry& s) { s.plain_length = UINT32_MAX; })), Code::damaged);
    EXPECT_EQ(code(with([](SegmentEntry& s) { s.chunks[0].length = 0; })), Code::damaged);
    EXPECT_EQ(code(with([](SegmentEntry& s) { s.chunks[0].length = UINT32_MAX - 2; })), Code::damaged)
        << "a sum of 32 bits would wrap to 8";
    EXPECT_EQ(code(with([](SegmentEntry& s) { s.compression = static_cast<Compression>(3); })), Code::damaged);
    EXPECT_EQ(code(with([](SegmentEntry& s) { s.content = static_cast<Content>(2); })), Code::damaged);
    EXPECT_EQ(code(std::vector<SegmentEntry>(kMaxSegmentsPerPack + 1, good)), Code::damaged);
    SegmentEntry crowded;
    crowded.length = 10;
    crowded.plain_length = kMaxChunksPerPack + 1;
    crowded.chunks.assign(kMaxChunksPerPack + 1, {{}, 1});
    EXPECT_EQ(code({crowded}), Code::damaged);
    // A count that no table of this length could hold is refused before anything is allocated for it.
    EXPECT_EQ(code_of([&] { decode_public_directory(Encoder().u32(UINT32_MAX).take()); }), Code::damaged);
}

TEST(PackFormat, NamesAreExactlyThoseOfTheFormat) {
    PackId id;
    random_bytes(id.bytes);
    const std::string name = pack_name(id);
    EXPECT_EQ(name, "packs/" + id.hex().substr(0, 2) + "/" + id.hex());
    EXPECT_EQ(pack_id_from_name(name), id);
    std::string upper = "packs/AB/AB" + std::string(62, '0'), other_folder = "packs/00/11" + std::string(62, '0');
    for (const std::string& bad :
         {std::string(), std::string("packs/"), name + "0", name.substr(0, name.size() - 1), "pack5" + name.substr(5), upper,
          other_folder, "packs/" + id.hex(), "records/" + name.substr(8), std::string(73, '/')}) {
        EXPECT_EQ(pack_id_from_name(bad), std::nullopt) << bad;
    }
}

}  // namespace
}  // namespace ingot
