#include "store/chunk_feed.h"

#include <gtest/gtest.h>

#include "base/interrupt.h"
#include "tests/store/code_of.h"
#include "tests/store/scripted_stream.h"
#include "tests/support/memory_feed.h"

namespace ingot {
namespace {

using test::noise;
using test::ScriptedFeed;
using test::ScriptedStream;

struct Got {
    std::vector<Bytes> chunks;
    std::vector<Content> contents;
    bool failed = false;
    Bytes whole() const {
        Bytes bytes;
        for (const Bytes& chunk : chunks) bytes.insert(bytes.end(), chunk.begin(), chunk.end());
        return bytes;
    }
    std::vector<size_t> lengths() const {
        std::vector<size_t> out;
        for (const Bytes& chunk : chunks) out.push_back(chunk.size());
        return out;
    }
};

class ChunkFeedTest : public ::testing::Test {
protected:
    std::vector<Got> collect(StreamFeed& feed) {
        ChunkFeed chunks(feed, cutter_, silent_);
        ChunkBatch batch;
        std::vector<Got> out;
        Got current;
        while (chunks.fill(batch)) {
            ++batches_;
            EXPECT_LE(batch.size, ChunkBatch::kCapacityBytes);
            size_t end = 0;
            for (size_t i = 0; i <= batch.chunks.size(); ++i) {
                for (; end < batch.ends.size() && batch.ends[end].chunks == i; ++end) {
                    current.failed = batch.ends[end].failed;
                    out.push_back(std::exchange(current, {}));
                }
                if (i == batch.chunks.size()) break;
                const ByteView bytes = batch.bytes(batch.chunks[i]);
                current.chunks.emplace_back(bytes.begin(), bytes.end());
                current.contents.push_back(batch.chunks[i].content);
            }
            EXPECT_EQ(end, batch.ends.size());
        }
        EXPECT_TRUE(current.chunks.empty()) << "chunks of no stream";
        bytes_read_ = chunks.bytes_read();
        return out;
    }
    Got only(ScriptedStream stream) {
        ScriptedFeed feed;
        feed.add(std::move(stream));
        const auto got = collect(feed);
        EXPECT_EQ(got.size(), 1U);
        return got.at(0);
    }
    std::vector<size_t> cdc(ByteView bytes) const {
        std::vector<size_t> out;
        for (; !bytes.empty(); bytes = bytes.subspan(out.back())) out.push_back(cutter_.first_chunk(bytes));
        return out;
    }

    Cutter cutter_{noise(32, 1), {}};
    SilentProgress silent_;
    size_t batches_ = 0;
    uint64_t bytes_read_ = 0;
};

Section whole(uint64_t length) { return {length, Cut::whole, 1, 0, Content::bytes}; }

TEST_F(ChunkFeedTest, CutsTheSameHoweverTheStreamIsRead) {
    const Bytes a = noise(150'001, 1), b = noise(40'961, 2), c = noise(70'000, 3), d = noise(90'000, 4);
    const std::vector<ScriptedStream::Part> parts = {{{a.size(), Cut::cdc, 1, 0, Content::bytes}, a},
                                                     {Section::blocks(b.size(), 4096, 1, Content::f32), b},
                                                     {whole(c.size()), c},
                                                     {Section::cdc(), d}};
    Bytes all;
    for (const Bytes& part : {a, b, c, d}) all.insert(all.end(), part.begin(), part.end());
    std::vector<size_t> expected = cdc(a);
    for (int i = 0; i < 10; ++i) expected.push_back(4096);
    expected.push_back(1);
    expected.push_back(c.size());
    for (const size_t length : cdc(d)) expected.push_back(length);
    for (const size_t most : {size_t{1}, size_t{7}, size_t{4096}, SIZE_MAX}) {
        const Got got = only(ScriptedStream(parts, most));
        EXPECT_EQ(got.whole(), all);
        EXPECT_EQ(got.lengths(), expected) << "reads of " << most;
        EXPECT_EQ(got.contents[cdc(a).size()], Content::f32);
        EXPECT_EQ(got.contents.front(), Content::bytes);
        EXPECT_EQ(got.contents.back(), Content::bytes);
        EXPECT_EQ(bytes_read_, all.size());
    }
}

TEST_F(ChunkFeedTest, CutsTheSameAcrossBatches) {
    const Bytes bytes = noise((7 << 20) + 123, 1);
    EXPECT_EQ(only(ScriptedStream({{Section::cdc(), bytes}})).lengths(), cdc(bytes));
    EXPECT_GT(batches_, 3U);
    const Got blocks = only(ScriptedStream({{Section::blocks(bytes.size(), 700'000, 1), bytes}}));
    EXPECT_EQ(blocks.whole(), bytes);
    EXPECT_EQ(blocks.chunks.size(), bytes.size() / 700'000 + 1);
    for (size_t i = 0; i + 1 < blocks.chunks.size(); ++i) EXPECT_EQ(blocks.chunks[i].size(), 700'000U);
    const Got largest = only(ScriptedStream({{Section::blocks(kToEnd, 1 << 20, 1), bytes}}, 333'333));
    EXPECT_EQ(largest.whole(), bytes);
    EXPECT_EQ(largest.chunks.size(), 8U);
}

TEST_F(ChunkFeedTest, WholeIsOneChunkUpToTheLimitAndThenByContent) {
    for (const size_t size : {1, 65'537, 1 << 20})
        EXPECT_EQ(only(ScriptedStream({{whole(size), noise(size, 1)}})).lengths(), std::vector<size_t>{size});
    const Bytes larger = noise((1 << 20) + 1, 1), endless = noise(100'000, 2);
    EXPECT_EQ(only(ScriptedStream({{whole(larger.size()), larger}})).lengths(), cdc(larger));
    EXPECT_EQ(only(ScriptedStream({{whole(kToEnd), endless}})).lengths(), cdc(endless));
    EXPECT_EQ(only(ScriptedStream({{Section::blocks(endless.size(), 2 << 20, 1), endless}})).lengths(), cdc(endless))
        << "no element fits a chunk";
}

TEST_F(ChunkFeedTest, CutsElementsTheSameHoweverTheyAreRead) {
    const Bytes vectors = noise(1536 * 2500 + 100, 1), ids = noise(8 * 9000, 2), tail = noise(50'000, 3);
    const auto elements = [](const Bytes& bytes, uint32_t element, uint32_t average) {
        return Section::elements(bytes.size(), element, average, Content::f32);
    };
    std::vector<size_t> expected;
    for (const auto& [bytes, section] : {std::pair(vectors, elements(vectors, 1536, 8)), {ids, elements(ids, 8, 2048)}}) {
        for (ByteView left = bytes; !left.empty(); left = left.subspan(expected.back()))
            expected.push_back(cutter_.first_elements(left, element_cuts(section).value()));
    }
    for (const size_t length : cdc(tail)) expected.push_back(length);
    for (const size_t most : {size_t{1}, size_t{7}, size_t{1537}, size_t{200'000}, SIZE_MAX}) {
        const Got got = only(
            ScriptedStream({{elements(vectors, 1536, 8), vectors}, {elements(ids, 8, 2048), ids}, {Section::cdc(), tail}}, most));
        EXPECT_EQ(got.lengths(), expected) << "reads of " << most;
        EXPECT_EQ(got.contents.front(), Content::f32);
        EXPECT_EQ(got.contents.back(), Content::bytes);
    }
    // The largest chunks there are, and a section that ends where the stream does.
    const Bytes large = noise(7 << 20, 4);
    const Got got = only(ScriptedStream({{Section::elements(kToEnd, 300'000, UINT32_MAX), large}}, 333'333));
    EXPECT_EQ(got.whole(), large);
    for (const size_t length : got.lengths()) EXPECT_LE(length, 900'000U);
}

TEST_F(ChunkFeedTest, ElementsThatCannotBeAreCutByContent) {
    const Bytes bytes = noise(300'000, 1);
    for (const uint32_t element : {0U, kMaxChunkBytes + 1, UINT32_MAX})
        EXPECT_EQ(only(ScriptedStream({{Section::elements(bytes.size(), element, 4), bytes}})).lengths(), cdc(bytes)) << element;
}

// Whose hash nobody will ask for: as soon as its sections say so, and until it ends.
TEST_F(ChunkFeedTest, TellsALongStreamByItsSections) {
    const auto of_long = [&](const std::vector<Section>& sections) {
        ScriptedFeed feed;
        std::vector<ScriptedStream::Part> parts;
        for (const Section& section : sections) parts.push_back({section, noise(8192, 1)});
        feed.add(ScriptedStream(parts));
        feed.add(Section::cdc(), noise(100, 2));
        ChunkFeed chunks(feed, cutter_, silent_);
        ChunkBatch batch;
        std::string out;
        try {
            while (chunks.fill(batch)) {
                for (const CutChunk& chunk : batch.chunks) out += chunk.of_long_stream ? 'l' : 's';
            }
        } catch (const Error&) {
        }
        return out;
    };
    const Section small = Section::blocks(8192, 4096, 1);
    EXPECT_EQ(of_long({small, small}), "sssss");
    EXPECT_EQ(of_long({small, Section::blocks(kPlainDigestLimitBytes, 4096, 1)}), "sslls");
    EXPECT_EQ(of_long({Section::blocks(kPlainDigestLimitBytes + 1, 4096, 1)}), "lls");
}

TEST_F(ChunkFeedTest, NothingIsAStreamToo) {
    ScriptedFeed feed;
    feed.add(ScriptedStream({}));
    feed.add(Section::cdc(), {});
    feed.add(whole(0), {});
    feed.add(ScriptedStream({{whole(0), {}}, {whole(3), noise(3, 1)}, {Section::blocks(0, 8, 1), {}}}));
    const auto got = collect(feed);
    ASSERT_EQ(got.size(), 4U);
    for (size_t i = 0; i < 3; ++i) EXPECT_TRUE(got[i].chunks.empty());
    EXPECT_EQ(got[3].lengths(), std::vector<size_t>{3});
    EXPECT_EQ(feed.ends.size(), 4U);
    ScriptedFeed none;
    EXPECT_TRUE(collect(none).empty());
}

TEST_F(ChunkFeedTest, ManySmallStreamsShareABatch) {
    ScriptedFeed feed;
    for (uint64_t i = 0; i < 3000; ++i) feed.add(Section::cdc(), noise(i % 100, i));
    const auto got = collect(feed);
    ASSERT_EQ(got.size(), 3000U);
    EXPECT_LE(batches_, 2U);
    for (uint64_t i = 0; i < 3000; ++i) EXPECT_EQ(got[i].whole(), noise(i % 100, i));
}

TEST_F(ChunkFeedTest, AFailedStreamIsToldAndTheNextOneIsFine) {
    // In the first read, between chunks, right after a batch, deep in the second batch.
    for (const uint64_t at : {uint64_t{0}, uint64_t{1}, uint64_t{300'000}, uint64_t{2 << 20}, uint64_t{3'500'000}}) {
        ScriptedFeed feed;
        feed.add(Section::cdc(), noise(1000, 1));
        feed.add(ScriptedStream({{Section::cdc(), noise(5 << 20, 2)}}, 100'000).fail_at(at));
        feed.add(Section::cdc(), noise(100'000, 3));
        const auto got = collect(feed);
        ASSERT_EQ(got.size(), 3U) << at;
        EXPECT_FALSE(got[0].failed);
        EXPECT_TRUE(got[1].failed);
        EXPECT_LE(got[1].whole().size(), at);
        EXPECT_FALSE(got[2].failed);
        EXPECT_EQ(got[2].whole(), noise(100'000, 3));
        EXPECT_EQ(got[2].lengths(), cdc(noise(100'000, 3))) << "nothing of the stream before may touch its cuts";
        ASSERT_TRUE(feed.ends[1].error);
        EXPECT_EQ(feed.ends[1].error->code(), Code::source);
        EXPECT_FALSE(feed.ends[1].settled);
    }
}

TEST_F(ChunkFeedTest, ASectionThatCannotBeHadFailsItsStream) {
    ScriptedFeed feed;
    feed.add(ScriptedStream({{whole(10), noise(10, 1)}, {whole(10), noise(10, 2)}}).fail_at_section(1));
    feed.add(Section::cdc(), noise(10, 3));
    const auto got = collect(feed);
    ASSERT_EQ(got.size(), 2U);
    EXPECT_TRUE(got[0].failed);
    EXPECT_EQ(got[1].whole(), noise(10, 3));
}

TEST_F(ChunkFeedTest, AStreamThatEndsBeforeItsSectionIsASourceError) {
    ScriptedFeed feed;
    feed.add(whole(100), noise(99, 1));
    feed.add(Section::blocks(8192, 4096, 1), noise(8191, 1));
    feed.add(Section::cdc(), noise(10, 3));
    const auto got = collect(feed);
    ASSERT_EQ(got.size(), 3U);
    for (size_t i = 0; i < 2; ++i) {
        EXPECT_TRUE(got[i].failed);
        ASSERT_TRUE(feed.ends[i].error);
        EXPECT_EQ(feed.ends[i].error->code(), Code::source);
    }
    EXPECT_EQ(got[2].whole(), noise(10, 3));
}

TEST_F(ChunkFeedTest, AStreamThatDidNotSettleIsToldApart) {
    ScriptedFeed feed;
    feed.add(ScriptedStream({{Section::cdc(), noise(10, 1)}}).settles(false));
    feed.add(Section::cdc(), noise(10, 2));
    collect(feed);
    ASSERT_EQ(feed.ends.size(), 2U);
    EXPECT_FALSE(feed.ends[0].settled);
    EXPECT_FALSE(feed.ends[0].error);
    EXPECT_TRUE(feed.ends[1].settled);
}

TEST_F(ChunkFeedTest, WhatTheFeedThrowsAndOtherErrorsEndTheRead) {
    ScriptedFeed gives_up;
    gives_up.add(ScriptedStream({{Section::cdc(), noise(10, 1)}}).fail_at(5));
    gives_up.gives_up = true;
    EXPECT_EQ(code_of([&] { collect(gives_up); }), Code::source);
    ScriptedFeed broken;
    broken.add(ScriptedStream({{Section::cdc(), noise(10, 1)}}).fail_at(5, Code::failed));
    EXPECT_EQ(code_of([&] { collect(broken); }), Code::failed);
    EXPECT_TRUE(broken.ends.empty()) << "no error of the stream's";
}

TEST_F(ChunkFeedTest, StopsWhenInterrupted) {
    ScriptedFeed feed;
    feed.add(Section::cdc(), noise(10, 1));
    set_interrupted(true);
    EXPECT_EQ(code_of([&] { collect(feed); }), Code::interrupted);
    set_interrupted(false);
}

}  // namespace
}  // namespace ingot
