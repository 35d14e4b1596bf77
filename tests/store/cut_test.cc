#include "store/cut.h"

#include <gtest/gtest.h>

#include <set>

#include "tests/support/memory_feed.h"

namespace ingot {
namespace {

using test::noise;
using test::prose;

std::vector<size_t> cut_all(const Cutter& cutter, ByteView bytes) {
    std::vector<size_t> lengths;
    while (!bytes.empty()) {
        const size_t n = cutter.first_chunk(bytes);
        EXPECT_GT(n, 0U);
        EXPECT_LE(n, bytes.size());
        lengths.push_back(n);
        bytes = bytes.subspan(n);
    }
    return lengths;
}

std::set<size_t> ends_of(const std::vector<size_t>& lengths, size_t from = 0) {
    std::set<size_t> ends;
    for (const size_t length : lengths) ends.insert(from += length);
    return ends;
}

const Bytes kKey = noise(32, 1);

TEST(Cut, KeepsWithinTheLimits) {
    for (const CutParameters& parameters :
         {CutParameters{}, CutParameters{64, 64, 64}, CutParameters{256, 1024, 4096}, CutParameters{64, 256, kMaxChunkBytes}}) {
        const Cutter cutter(kKey, parameters);
        for (const Bytes& bytes : {noise(600'000, 1), prose(600'000, 1), Bytes(600'000), Bytes(600'000, 0xa5)}) {
            const auto lengths = cut_all(cutter, bytes);
            for (size_t i = 0; i < lengths.size(); ++i) {
                EXPECT_LE(lengths[i], parameters.max_bytes);
                if (i + 1 < lengths.size()) {
                    EXPECT_GE(lengths[i], parameters.min_bytes);
                }
            }
        }
    }
}

TEST(Cut, TakesShortBytesWhole) {
    const Cutter cutter(kKey, {});
    for (const size_t size : {1, 100, 4095, 4096}) EXPECT_EQ(cutter.first_chunk(noise(size, size)), size);
    EXPECT_EQ(cutter.first_chunk({}), 0U);
}

TEST(Cut, LooksAtNoMoreThanTheLargestChunk) {
    const Cutter cutter(kKey, {});
    const Bytes bytes = noise(1 << 20, 2);
    EXPECT_EQ(cutter.first_chunk(bytes), cutter.first_chunk(ByteView(bytes).first(cutter.parameters().max_bytes)));
}

TEST(Cut, KeepsTheAverageNearWhatWasAsked) {
    for (const uint32_t average : {1U << 10, 16U << 10, 64U << 10}) {
        const Cutter cutter(kKey, {average / 4, average, average * 4});
        const Bytes bytes = noise(size_t{average} * 1000, 5);
        const auto lengths = cut_all(cutter, bytes);
        const double got = static_cast<double>(bytes.size()) / static_cast<double>(lengths.size());
        EXPECT_GT(got, 0.8 * average) << average;
        EXPECT_LT(got, 1.4 * average) << average;
        const auto largest = static_cast<size_t>(std::ranges::count(lengths, size_t{average} * 4));
        EXPECT_LT(largest, lengths.size() / 50) << "cuts forced by the limit do not follow the content";
    }
}

TEST(Cut, FindsItsBoundariesAgainAfterAnInsertion) {
    const Cutter cutter(kKey, {});
    const Bytes bytes = noise(4 << 20, 7);
    for (const size_t inserted : {1, 100, 5000}) {
        Bytes changed = bytes;
        const size_t at = 1'000'000;
        const Bytes more = noise(inserted, 9);
        changed.insert(changed.begin() + static_cast<ptrdiff_t>(at), more.begin(), more.end());
        std::set<size_t> before = ends_of(cut_all(cutter, bytes), inserted), after = ends_of(cut_all(cutter, changed));
        size_t lost = 0;
        for (const size_t end : before) lost += end > at + inserted && !after.contains(end) ? 1U : 0U;
        EXPECT_LE(lost, 4U) << inserted << " bytes inserted";
    }
}

TEST(Cut, DependsOnTheKey) {
    const Bytes bytes = noise(4 << 20, 7);
    const auto a = ends_of(cut_all(Cutter(kKey, {}), bytes)), b = ends_of(cut_all(Cutter(noise(32, 2), {}), bytes));
    std::vector<size_t> shared;
    std::ranges::set_intersection(a, b, std::back_inserter(shared));
    EXPECT_LE(shared.size(), 3U);  // the end, and chance
    EXPECT_EQ(a, ends_of(cut_all(Cutter(kKey, {}), bytes)));
}

// docs/format.md promises no boundaries to readers, but day two deduplicates against day one only if they stay where they are.
TEST(Cut, BoundariesOfThisVersionAreFrozen) {
    const Cutter cutter(Bytes(32), {});
    const auto lengths = cut_all(cutter, noise(1 << 20, 11));
    Encoder out;
    for (const size_t length : lengths) out.u32(static_cast<uint32_t>(length));
    uint64_t fnv = 0xcbf29ce484222325;
    for (const uint8_t byte : out.bytes()) fnv = (fnv ^ byte) * 0x100000001b3;
    EXPECT_EQ(lengths.size(), 54U);
    EXPECT_EQ(fnv, 8248073116523187856U);
}

TEST(BlockLength, IsWholeElementsWithinAChunk) {
    const auto length = [](uint32_t element, uint32_t per_block) {
        return block_length(Section::blocks(1 << 30, element, per_block));
    };
    EXPECT_EQ(length(4096, 1), 4096U);
    EXPECT_EQ(length(4096, 16), 65'536U);
    EXPECT_EQ(length(1, 0), 1U);
    EXPECT_EQ(length(1536, 2), 3072U);
    EXPECT_EQ(length(65'536, 16), 1U << 20);
    EXPECT_EQ(length(65'536, 17), 1U << 20) << "capped at a chunk";
    EXPECT_EQ(length(700'000, 2), 700'000U) << "two elements do not fit";
    EXPECT_EQ(length(1 << 20, UINT32_MAX), 1U << 20);
    EXPECT_EQ(length((1 << 20) + 1, 1), 0U) << "no element fits: cut by content";
    EXPECT_EQ(length(UINT32_MAX, UINT32_MAX), 0U);
    EXPECT_EQ(length(0, 5), 0U);
    EXPECT_EQ(length(3, UINT32_MAX), (1U << 20) / 3 * 3);
    EXPECT_EQ(block_length(Section::cdc()), 0U);
}

}  // namespace
}  // namespace ingot
