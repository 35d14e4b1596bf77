#include "store/cut.h"

#include <gtest/gtest.h>

#include <iostream>
#include <set>
#include <string>

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

// --- Cut::elements

std::vector<size_t> cut_elements(const Cutter& cutter, ByteView bytes, const ElementCuts& cuts) {
    std::vector<size_t> lengths;
    while (!bytes.empty()) {
        lengths.push_back(cutter.first_elements(bytes, cuts));
        EXPECT_GT(lengths.back(), 0U);
        EXPECT_LE(lengths.back(), bytes.size());
        bytes = bytes.subspan(lengths.back());
    }
    return lengths;
}

ElementCuts elements_of(uint32_t element, uint32_t average) {
    return element_cuts(Section::elements(1 << 30, element, average)).value();
}

TEST(ElementCuts, HaveLimitsThatFitAChunk) {
    const auto limits = [](uint32_t element, uint32_t average) {
        const ElementCuts cuts = elements_of(element, average);
        return std::pair(cuts.min_elements, cuts.max_elements);
    };
    EXPECT_EQ(limits(1536, 1), std::pair(1U, 4U));
    EXPECT_EQ(limits(1536, 8), std::pair(2U, 32U));
    EXPECT_EQ(limits(1536, 0), std::pair(1U, 4U));
    EXPECT_EQ(limits(8, 2048), std::pair(512U, 8192U));
    EXPECT_EQ(limits(1536, UINT32_MAX), std::pair(682U / 4, 682U)) << "never above a chunk";
    EXPECT_EQ(limits(400'000, 1), std::pair(1U, 2U));
    EXPECT_EQ(limits(kMaxChunkBytes, 5), std::pair(1U, 1U));
    EXPECT_EQ(limits(1, UINT32_MAX), std::pair(kMaxChunkBytes / 4, kMaxChunkBytes));
    EXPECT_FALSE(element_cuts(Section::elements(1000, 0, 4)));
    EXPECT_FALSE(element_cuts(Section::elements(1 << 30, kMaxChunkBytes + 1, 1)));
    EXPECT_FALSE(element_cuts(Section::elements(1 << 30, UINT32_MAX, UINT32_MAX)));
    EXPECT_FALSE(element_cuts(Section::blocks(1 << 20, 4096, 1)));
    EXPECT_FALSE(element_cuts(Section::cdc()));
}

TEST(Elements, AreNeverCutApartAndTheRestIsTheLastPiece) {
    const Cutter cutter(kKey, {});
    for (const auto& [element, average] : std::vector<std::pair<uint32_t, uint32_t>>{
             {1, 64}, {3, 5}, {4, 1}, {8, 512}, {63, 10}, {64, 10}, {65, 7}, {1536, 8}, {1536, 1}, {100'003, 3}}) {
        const ElementCuts cuts = elements_of(element, average);
        for (const Bytes& bytes : {noise(700'001, 1), prose(700'001, 1), Bytes(700'001), Bytes(1), Bytes()}) {
            const auto lengths = cut_elements(cutter, bytes, cuts);
            for (size_t i = 0; i < lengths.size(); ++i) {
                EXPECT_LE(lengths[i], cuts.max_bytes());
                if (i + 1 == lengths.size()) break;
                EXPECT_EQ(lengths[i] % element, 0U);
                EXPECT_GE(lengths[i], size_t{cuts.min_elements} * element);
            }
        }
    }
}

TEST(Elements, AtAnAverageOfOneAreEachAChunk) {
    const Cutter cutter(kKey, {});
    for (const uint32_t element : {4U, 64U, 1536U}) {
        const Bytes bytes = noise(element * 100, element);
        EXPECT_EQ(cut_elements(cutter, bytes, elements_of(element, 1)), std::vector<size_t>(100, element));
    }
}

TEST(Elements, KeepTheAverageNearWhatWasAsked) {
    const Cutter cutter(kKey, {});
    for (const auto& [element, average] :
         std::vector<std::pair<uint32_t, uint32_t>>{{8, 256}, {32, 100}, {64, 16}, {384, 2}, {384, 3}, {1536, 8}, {3072, 5}}) {
        const Bytes bytes = noise(size_t{element} * average * 1000, 5);
        const auto lengths = cut_elements(cutter, bytes, elements_of(element, average));
        EXPECT_GT(1000.0 / static_cast<double>(lengths.size()), 0.9) << element << " " << average;
        EXPECT_LT(1000.0 / static_cast<double>(lengths.size()), 1.1) << element << " " << average;
    }
}

TEST(Elements, AreCutByTheKey) {
    const Bytes bytes = noise(1536 * 4000, 3);
    const ElementCuts cuts = elements_of(1536, 8);
    const auto one = ends_of(cut_elements(Cutter(noise(32, 1), {}), bytes, cuts));
    const auto same = ends_of(cut_elements(Cutter(noise(32, 1), {}), bytes, cuts));
    const auto other = ends_of(cut_elements(Cutter(noise(32, 2), {}), bytes, cuts));
    EXPECT_EQ(one, same);
    std::vector<size_t> common;
    std::ranges::set_intersection(one, other, std::back_inserter(common));
    EXPECT_LT(common.size(), one.size() / 4) << "one in eight meets by chance";
}

// What deduplication of a vector index lives by: a vector more, less or other costs the chunks beside it, wherever it stands.
TEST(Elements, CutTheSameAgainSoonAfterAChange) {
    const Cutter cutter(kKey, {});
    size_t changes = 0, changed_chunks = 0, most = 0;
    for (const auto& [element, average] : std::vector<std::pair<uint32_t, uint32_t>>{{1536, 8}, {1536, 1}, {256, 32}, {8, 512}}) {
        const size_t count = size_t{average} * 200;
        const Bytes bytes = noise(element * count, element);
        const ElementCuts cuts = elements_of(element, average);
        const auto chunks_of = [&](const Bytes& whole) {
            std::set<std::string> chunks;
            ByteView left = whole;
            for (const size_t length : cut_elements(cutter, whole, cuts)) {
                chunks.insert(std::string(text_of(left.first(length))));
                left = left.subspan(length);
            }
            return chunks;
        };
        const auto before = chunks_of(bytes);
        for (size_t round = 0; round < 30; ++round) {
            const auto at = static_cast<ptrdiff_t>(element * (count * round / 30));
            const Bytes fresh = noise(element, 1000 + round);
            Bytes removed = bytes, inserted = bytes, other = bytes;
            removed.erase(removed.begin() + at, removed.begin() + at + element);
            inserted.insert(inserted.begin() + at, fresh.begin(), fresh.end());
            std::ranges::copy(fresh, other.begin() + at);
            for (const Bytes& changed : {removed, inserted, other}) {
                std::vector<std::string> gained;
                std::ranges::set_difference(chunks_of(changed), before, std::back_inserter(gained));
                ++changes;
                changed_chunks += gained.size();
                most = std::max(most, gained.size());
            }
        }
    }
    EXPECT_LE(most, 8U);
    EXPECT_LE(changed_chunks, changes * 2) << "on average";
    std::cout << changes << " changes made " << changed_chunks << " new chunks, at most " << most << " each\n";
}

// Vectors that end in zeros (shortened embeddings), or whose bytes are all small (quantised): still cut by content.
TEST(Elements, WithEndsThatAreAllAlikeAreStillCutByContent) {
    const Cutter cutter(kKey, {});
    Bytes bytes = noise(1536 * 2000, 9);
    for (size_t i = 0; i < bytes.size(); ++i) {
        if (i % 1536 >= 1024) bytes[i] = 0;
    }
    const auto lengths = cut_elements(cutter, bytes, elements_of(1536, 8));
    EXPECT_GT(lengths.size(), 200U);
    EXPECT_LT(lengths.size(), 300U);
}

TEST(Elements, BoundariesOfThisVersionAreFrozen) {
    const Cutter cutter(Bytes(32), {});
    Encoder out;
    for (const uint32_t element : {8U, 1536U}) {
        for (const size_t length : cut_elements(cutter, noise(1 << 20, 11), elements_of(element, (16 << 10) / element)))
            out.u32(static_cast<uint32_t>(length));
    }
    uint64_t fnv = 0xcbf29ce484222325;
    for (const uint8_t byte : out.bytes()) fnv = (fnv ^ byte) * 0x100000001b3;
    EXPECT_EQ(out.bytes().size() / 4, 125U);
    EXPECT_EQ(fnv, 1142393022797898438U);
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
