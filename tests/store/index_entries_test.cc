#include "store/index_entries.h"

#include <gtest/gtest.h>

#include "store/hash.h"

namespace ingot {
namespace {

Bytes some_bytes(std::string_view text) { return {text.begin(), text.end()}; }

TEST(IndexEntries, ComeBackAsTheyWere) {
    const Location at{0x0102030405060708, 0xffff, 0xfffffffe, 65536};
    const LocationValue value = encode_location(at);
    EXPECT_EQ(value, (LocationValue{8, 7, 6, 5, 4, 3, 2, 1, 0xff, 0xff, 0xfe, 0xff, 0xff, 0xff, 0, 0, 1, 0}));
    EXPECT_EQ(decode_location(value), at);

    IndexedPack pack{PackId::from(sha256(some_bytes("pack")).view()), ChunkKind::meta, 1ull << 40, 77, -5};
    const IndexedPack back = decode_pack(encode_pack(pack));
    EXPECT_EQ(back.id, pack.id);
    EXPECT_EQ(back.kind, pack.kind);
    EXPECT_EQ(back.size, pack.size);
    EXPECT_EQ(back.chunks, pack.chunks);
    EXPECT_EQ(back.verified_ms, pack.verified_ms);
}

TEST(IndexEntries, KeysAreTheFirstBytesOfNames) {
    const ChunkId id = ChunkId::from(sha256(some_bytes("chunk")).view());
    ASSERT_EQ(chunk_key(id).size(), 16u);
    EXPECT_TRUE(std::equal(chunk_key(id).begin(), chunk_key(id).end(), id.bytes.begin()));
    EXPECT_EQ(pack_key(0x0102030405060708), (Bytes{8, 7, 6, 5, 4, 3, 2, 1}));
}

TEST(IndexEntries, ValuesOfAnotherFormAreDamage) {
    const LocationValue encoded = encode_location({1, 2, 3, 4});
    Bytes location(encoded.begin(), encoded.end()), pack = encode_pack({});
    for (Bytes* value : {&location, &pack}) {
        value->push_back(0);
        EXPECT_THROW((void)(value == &pack ? (void)decode_pack(*value) : (void)decode_location(*value)), IndexDamaged);
        value->resize(value->size() - 2);
        EXPECT_THROW((void)(value == &pack ? (void)decode_pack(*value) : (void)decode_location(*value)), IndexDamaged);
    }
    EXPECT_THROW((void)decode_location({}), IndexDamaged);
}

}  // namespace
}  // namespace ingot
