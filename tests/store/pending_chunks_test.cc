#include "store/pending_chunks.h"

#include <gtest/gtest.h>

#include <set>

#include "tests/support/memory_feed.h"

namespace ingot {
namespace {

ChunkId id_of(uint64_t n) { return ChunkId::from(test::noise(32, n)); }

// As a plain set does, over growth and removals.
TEST(PendingChunks, IsASet) {
    PendingChunks pending;
    std::set<ChunkId> model;
    size_t known = 0;
    for (uint64_t i = 0; i < 20'000; ++i) {
        const ChunkId id = id_of(i * 7919 % 9973);
        const bool fresh = model.insert(id).second;
        EXPECT_EQ(pending.insert(id), fresh);
        known += fresh ? 0 : 1;
        if (i % 3 == 0) {
            const ChunkId gone = id_of(i * 31 % 9973);
            model.erase(gone);
            pending.erase(gone);
        }
        ASSERT_EQ(pending.size(), model.size());
    }
    EXPECT_GT(known, 1000U);
    for (uint64_t i = 0; i < 9973; ++i) {
        const bool there = model.contains(id_of(i));
        EXPECT_EQ(pending.insert(id_of(i)), !there);
    }
    pending.clear();
    EXPECT_EQ(pending.size(), 0U);
    EXPECT_TRUE(pending.insert(id_of(1)));
}

// What hash tables by the first bytes could take for one.
TEST(PendingChunks, TellsIdsThatDifferInTheirLastByteOnly) {
    PendingChunks pending;
    ChunkId id = id_of(1);
    for (int i = 0; i < 256; ++i) {
        id.bytes.back() = static_cast<uint8_t>(i);
        EXPECT_TRUE(pending.insert(id));
    }
    EXPECT_EQ(pending.size(), 256U);
    EXPECT_FALSE(pending.insert(id));
}

}  // namespace
}  // namespace ingot
