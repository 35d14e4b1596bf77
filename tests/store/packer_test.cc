#include "store/packer.h"

#include "store/pack_reader.h"
#include "tests/store/scripted_stream.h"
#include "tests/store/store_fixture.h"

namespace ingot {
namespace {

using test::noise;
using test::ScriptedFeed;
using test::ScriptedStream;

class PackerTest : public StoreTest {
protected:
    // Stores the feed through the stages one after the other, as the pipeline does at the same time.
    void run(Packer& packer, RepositoryCore& core, StreamFeed& feed, ChunkKind kind = ChunkKind::data) {
        ChunkFeed chunks(feed, core.cutter, silent_);
        HashedBatch batch;
        while (chunks.fill(batch.batch)) {
            packer.hash(batch, kind);
            packer.take(batch, kind, feed);
            Packer::seal(batch.jobs);
            packer.write(batch.jobs);
        }
    }
    static void small_packs(RepositoryConfig& config) {
        config.segment_bytes = 16 << 10;
        config.pack_bytes = 100'000;
    }
};

TEST_F(PackerTest, StoresAChunkOnceWithinABatchAndAcrossBatchesAndPacks) {
    init(true, small_packs);
    const auto repository = open();
    Packer packer(repository->core());
    const Bytes bytes = noise(500'000, 1), large = noise(5 << 20, 2);
    ScriptedFeed feed;
    for (int i = 0; i < 3; ++i) feed.add(Section::cdc(), bytes);
    for (int i = 0; i < 2; ++i) feed.add(Section::cdc(), large);
    run(packer, repository->core(), feed);
    packer.flush();
    EXPECT_EQ(packer.totals().bytes_new, bytes.size() + large.size());
    ASSERT_EQ(feed.results.size(), 5U);
    EXPECT_EQ(feed.results[0].bytes_new, bytes.size());
    EXPECT_EQ(feed.results[1].chunks_new, 0U);
    EXPECT_EQ(feed.results[1].root, feed.results[0].root);
    EXPECT_EQ(feed.results[4].bytes_new, 0U);
    EXPECT_EQ(read(*repository, feed.results[4].root), large);
    Packer second(repository->core());
    ScriptedFeed again;
    again.add(Section::cdc(), large);
    run(second, repository->core(), again);
    second.flush();
    EXPECT_EQ(second.totals().bytes_stored, 0U);
}

TEST_F(PackerTest, MakesPacksOfTheSizeAskedFor) {
    init(true, small_packs);
    const auto repository = open();
    Packer packer(repository->core());
    ScriptedFeed feed;
    feed.add(Section::blocks(3'000'000, 4000, 1), noise(3'000'000, 1));
    run(packer, repository->core(), feed);
    packer.flush();
    size_t data = 0, stored = 0, last_ones = 0;
    for (const PackInfo& pack : repository->packs()) {
        stored += pack.size;
        if (pack.kind != ChunkKind::data) continue;
        ++data;
        EXPECT_LT(pack.size, 2'700'000U) << "one batch at most beyond the size, for a batch is cut before it is written";
        last_ones += pack.size < 100'000 ? 1U : 0U;
        EXPECT_EQ(std::filesystem::file_size(path_ + "/" + pack_name(pack.id)), pack.size);
        const PackReader reader(*repository->core().blobs, repository->core().keys, repository->id(), pack.id);
        size_t chunks = 0;
        for (const SegmentEntry& segment : reader.segments()) {
            EXPECT_LE(segment.plain_length, 16U << 10);
            chunks += segment.chunks.size();
        }
        EXPECT_EQ(chunks, pack.chunks);
    }
    EXPECT_GE(data, 2U);
    EXPECT_LE(last_ones, 1U);
    EXPECT_EQ(packer.totals().bytes_stored, stored);
}

TEST_F(PackerTest, KeepsKindsAndContentsApart) {
    init();
    const auto repository = open();
    Packer packer(repository->core());
    ScriptedFeed feed;
    feed.add(
        ScriptedStream({{Section::blocks(8192, 4096, 1, Content::f32), noise(8192, 1)}, {Section::cdc(), noise(50'000, 2)}}));
    feed.add(Section::blocks(8192, 4096, 1, Content::f32), noise(8192, 3));
    run(packer, repository->core(), feed);
    ScriptedFeed listing;
    listing.add(Section::cdc(), noise(3000, 4));
    run(packer, repository->core(), listing, ChunkKind::meta);
    packer.flush();
    ASSERT_EQ(packs(ChunkKind::data).size(), 1U);
    ASSERT_EQ(packs(ChunkKind::meta).size(), 1U);
    for (const PackInfo& pack : repository->packs()) {
        if (pack.kind != ChunkKind::data) continue;
        const PackReader reader(*repository->core().blobs, repository->core().keys, repository->id(), pack.id);
        std::vector<Content> contents;
        for (const SegmentEntry& segment : reader.segments()) contents.push_back(segment.content);
        EXPECT_EQ(contents, (std::vector{Content::f32, Content::bytes, Content::f32}));
    }
    EXPECT_EQ(read(*repository, listing.results.at(0).root, ChunkKind::meta), noise(3000, 4));
}

TEST_F(PackerTest, AStreamThatFailedLeavesTheOthersWhole) {
    init();
    const auto repository = open();
    Packer packer(repository->core());
    ScriptedFeed feed;
    feed.add(Section::cdc(), noise(200'000, 1));
    feed.add(ScriptedStream({{Section::cdc(), noise(5 << 20, 2)}}).fail_at(4'500'000));
    feed.add(ScriptedStream({{Section::cdc(), noise(100'000, 3)}}).fail_at(0));
    feed.add(Section::cdc(), noise(5 << 20, 2));
    run(packer, repository->core(), feed);
    packer.flush();
    ASSERT_EQ(feed.results.size(), 2U) << "of streams that failed nothing is reported as stored";
    EXPECT_EQ(read(*repository, feed.results[0].root), noise(200'000, 1));
    EXPECT_EQ(read(*repository, feed.results[1].root), noise(5 << 20, 2));
    EXPECT_EQ(feed.results[1].root.size, 5U << 20);
    EXPECT_EQ(feed.results[1].sha256, sha256(noise(5 << 20, 2)));
    EXPECT_EQ(feed.results[0].sha256, sha256(noise(200'000, 1)));
}

TEST_F(PackerTest, KnowsTheHashOfTheWholeUpToItsLimit) {
    init();
    const auto repository = open();
    Packer packer(repository->core());
    ScriptedFeed feed;
    feed.add(Section::cdc(), {});
    feed.add(Section::cdc(), noise(100, 1));
    feed.add(Section::blocks(kPlainDigestLimitBytes, 1 << 20, 1), Bytes(kPlainDigestLimitBytes));
    feed.add(Section::blocks(kPlainDigestLimitBytes + 1, 1 << 20, 1), Bytes(kPlainDigestLimitBytes + 1));
    run(packer, repository->core(), feed);
    packer.flush();
    ASSERT_EQ(feed.results.size(), 4U);
    EXPECT_EQ(feed.results[0].sha256, sha256({}));
    EXPECT_EQ(feed.results[1].sha256, sha256(noise(100, 1)));
    EXPECT_EQ(feed.results[2].sha256, sha256(Bytes(kPlainDigestLimitBytes)));
    EXPECT_EQ(feed.results[3].sha256, std::nullopt);
}

TEST_F(PackerTest, FlushMakesAllKnownToTheIndexAndCanComeAgain) {
    init(true, small_packs);
    const auto repository = open();
    Packer packer(repository->core());
    packer.flush();
    for (uint64_t i = 0; i < 5; ++i) {
        ScriptedFeed feed;
        feed.add(Section::cdc(), noise(150'000, i));
        run(packer, repository->core(), feed);
        packer.flush();
        packer.flush();
        EXPECT_EQ(read(*repository, feed.results.at(0).root), noise(150'000, i));
        EXPECT_EQ(packs().size(), repository->packs().size());
    }
    EXPECT_TRUE(std::filesystem::is_empty(path_ + "/tmp"));
}

// Destroyed without a flush: the publisher thread ends, and nothing half-made has a name.
TEST_F(PackerTest, DestroyedHalfWayLeavesOnlyWholePacks) {
    init(true, small_packs);
    const auto repository = open();
    {
        Packer packer(repository->core());
        ScriptedFeed feed;
        feed.add(Section::cdc(), noise(8 << 20, 1));
        run(packer, repository->core(), feed);
    }
    for (const std::string& pack : packs()) {
        EXPECT_NO_THROW(PackReader(*repository->core().blobs, repository->core().keys, repository->id(),
                                   PackId::from_hex(pack.substr(pack.size() - 64))));
    }
}

}  // namespace
}  // namespace ingot
