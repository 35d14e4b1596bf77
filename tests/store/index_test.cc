#include "store/index.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <fstream>
#include <iostream>
#include <random>
#include <thread>

#include "store/hash.h"
#include "tests/store/code_of.h"
#include "tests/support/memory_feed.h"
#include "tests/support/temp_dir.h"

namespace ingot {
namespace {

namespace fs = std::filesystem;

class IndexTest : public ::testing::Test {
protected:
    IndexTest() {
        random_bytes(repository_.bytes);
        Index::create(folder_, repository_);
    }
    static ChunkId chunk(uint64_t n) { return ChunkId::from(sha256(Encoder().u64(n).take()).view()); }
    static IndexedPack pack(uint64_t n) {
        IndexedPack entry{PackId::from(sha256(Encoder().u64(n).raw("pack").take()).view()), ChunkKind::data, 1000 + n, 0, 0};
        return entry;
    }
    // Two segments of three chunks each, 100 n and on.
    static std::vector<SegmentEntry> directory(uint64_t n) {
        std::vector<SegmentEntry> segments(2);
        for (uint64_t i = 0; i < 6; ++i) segments[i / 3].chunks.push_back({chunk(100 * n + i), static_cast<uint32_t>(10 + i)});
        return segments;
    }
    static void add(Index& index, uint64_t n) { add(index, {pack(n), directory(n)}); }
    static void add(Index& index, const PackContents& contents) { index.add_packs({&contents, 1}); }
    static std::optional<Location> find(const Index& index, const ChunkId& id) {
        std::optional<Location> out;
        index.lookup({&id, 1}, {&out, 1});
        return out;
    }
    static Location place(uint64_t n, uint64_t i) {
        const uint32_t offsets[] = {0, 10, 21, 0, 13, 27};
        return {number_of(pack(n).id), static_cast<uint16_t>(i / 3), offsets[i], static_cast<uint32_t>(10 + i)};
    }
    std::unique_ptr<Index> open(IndexMode mode = IndexMode::read_write) {
        return std::make_unique<Index>(folder_, mode, repository_);
    }
    void expect_pack(const Index& index, uint64_t n) {
        for (uint64_t i = 0; i < 6; ++i)
            EXPECT_EQ(find(index, chunk(100 * n + i)), place(n, i)) << "pack " << n << ", chunk " << i;
    }

    test::TempDir dir_{test::fast_folder()};
    std::string folder_ = dir_ / "index";
    RepositoryId repository_;
};

TEST_F(IndexTest, FindsWhatWasAddedBeforeAndAfterAFlushAndReopening) {
    {
        const auto index = open();
        for (uint64_t n = 0; n < 20; ++n) add(*index, n);
        for (uint64_t n = 0; n < 20; ++n) expect_pack(*index, n);
        EXPECT_EQ(find(*index, chunk(99)), std::nullopt);
        index->flush();
        expect_pack(*index, 7);
    }
    for (const IndexMode mode : {IndexMode::read_only, IndexMode::read_write}) {
        const auto index = open(mode);
        EXPECT_EQ(index->packs().size(), 20U);
        for (uint64_t n = 0; n < 20; ++n) expect_pack(*index, n);
        EXPECT_EQ(index->packs().at(number_of(pack(3).id)).size, 1003U);
        EXPECT_GT(index->bytes_on_disk(), 0U);
    }
}

TEST_F(IndexTest, LooksUpManyAtOnce) {
    const auto index = open();
    for (uint64_t n = 0; n < 300; ++n) add(*index, n);
    std::vector<ChunkId> ids;
    for (uint64_t n = 0; n < 300; ++n) {
        for (uint64_t i = 0; i < 8; ++i) ids.push_back(chunk(100 * n + i));  // the last two are nowhere
    }
    std::vector<std::optional<Location>> out(ids.size(), Location{});
    index->lookup(ids, out);
    for (uint64_t n = 0; n < 300; ++n) {
        for (uint64_t i = 0; i < 8; ++i) EXPECT_EQ(out[8 * n + i], i < 6 ? std::optional(place(n, i)) : std::nullopt);
    }
    index->lookup({}, {});
}

TEST_F(IndexTest, ManyInOrderAreFoundAsEachByItself) {
    const auto index = open();
    std::vector<ChunkId> ids;
    for (uint64_t n = 0; n < 1000; ++n) {
        add(*index, n);
        if (n == 500) index->flush();                                        // half of it in files, half in memory
        for (uint64_t i = 0; i < 8; ++i) ids.push_back(chunk(100 * n + i));  // the last two are nowhere
    }
    index->forget_pack(number_of(pack(7).id));
    ids.push_back(chunk(100));  // wanted twice
    std::ranges::sort(ids);
    std::vector<std::optional<Location>> out(ids.size(), Location{});
    ASSERT_GT(ids.size(), 4096u);  // enough to be found in one pass
    index->lookup(ids, out);
    size_t found = 0;
    for (size_t i = 0; i < ids.size(); ++i) {
        ASSERT_EQ(out[i], find(*index, ids[i])) << i;
        found += out[i].has_value();
    }
    EXPECT_EQ(found, 6 * 999 + 1u);
    std::cout << "found " << found << " of " << ids.size() << " ids in one pass\n";
}

TEST_F(IndexTest, EntriesOfAPackThatIsGoneAreNotFound) {
    {
        const auto index = open();
        add(*index, 1);
        add(*index, 2);
        index->flush();
        index->forget_pack(number_of(pack(1).id));
        EXPECT_EQ(find(*index, chunk(100)), std::nullopt);
        expect_pack(*index, 2);
        index->flush();
    }
    const auto index = open(IndexMode::read_only);
    EXPECT_EQ(find(*index, chunk(100)), std::nullopt);
    expect_pack(*index, 2);
    index->hide_pack(number_of(pack(2).id));
    EXPECT_EQ(find(*index, chunk(200)), std::nullopt);
    size_t left = 0;
    index->each_chunk([&](ByteView, const Location&) { ++left; });
    EXPECT_EQ(left, 0U);
}

TEST_F(IndexTest, AChunkStoredAgainIsFoundInItsNewPack) {
    const auto index = open();
    add(*index, 1);
    index->forget_pack(number_of(pack(1).id));
    add(*index, {pack(5), directory(1)});
    const auto found = find(*index, chunk(100));
    ASSERT_TRUE(found);
    EXPECT_EQ(found->pack, number_of(pack(5).id));
}

// Put in by another thread while lookups go on: found once their pack is added, and never in a pack that only shares its number.
TEST_F(IndexTest, ChunksThatArePutAreFoundOnceTheirPackIsAdded) {
    const auto index = open();
    const std::vector<PackContents> packs = {{pack(1), directory(1)}, {pack(2), directory(2)}};
    index->put_chunks(packs);
    EXPECT_EQ(find(*index, chunk(100)), std::nullopt);
    index->add_pack(packs[0].pack);
    expect_pack(*index, 1);
    EXPECT_EQ(find(*index, chunk(200)), std::nullopt);

    PackContents twin{pack(1), directory(7)};
    twin.pack.id.bytes.back() ^= 1;
    EXPECT_THROW(index->put_chunks({&twin, 1}), Error);
    EXPECT_THROW(index->add_pack(twin.pack), Error);
    EXPECT_EQ(find(*index, chunk(700)), std::nullopt);
    expect_pack(*index, 1);
}

// I6: not even RocksDB's own flushes, at closing or when memory runs short, may make a pack known before its chunks are.
TEST_F(IndexTest, APackIsKnownOnlyOnceItWasFlushed) {
    {
        const auto index = open();
        add(*index, 1);
        index->flush();
        add(*index, 2);
        index->set_verified(number_of(pack(2).id), 5);
    }
    {
        const auto index = open();
        EXPECT_EQ(index->packs().size(), 1U);
        expect_pack(*index, 1);
        EXPECT_EQ(find(*index, chunk(200)), std::nullopt);
        add(*index, 2);
        index->set_verified(number_of(pack(2).id), 5);
        index->flush();
    }
    EXPECT_EQ(open()->packs().at(number_of(pack(2).id)).verified_ms, 5);
}

// A copy of the folder is what a kill leaves: whatever was flushed is in it, and no pack without all of its chunks.
TEST_F(IndexTest, WhatWasFlushedIsInACopyOfTheFolderTakenBesideIt) {
    const auto index = open();
    for (uint64_t n = 0; n < 9; ++n) {  // three flushes: a fourth would start a compaction, and files go while they are copied
        add(*index, n);
        if (n % 3 == 2) index->flush();
        fs::copy(folder_, dir_ / "copy", fs::copy_options::recursive);
        {
            const Index copy(dir_ / "copy", IndexMode::read_write, repository_);
            EXPECT_EQ(copy.packs().size(), (n + 1) / 3 * 3);
            for (uint64_t k = 0; k < (n + 1) / 3 * 3; ++k) expect_pack(copy, k);
        }
        fs::remove_all(dir_ / "copy");
    }
}

TEST_F(IndexTest, IsReadBesideItsWriter) {
    const auto writer = open();
    add(*writer, 1);
    writer->flush();
    const auto reader = open(IndexMode::read_only);
    for (uint64_t n = 2; n < 40; ++n) {
        add(*writer, n);
        writer->flush();
        expect_pack(*reader, 1);
    }
    EXPECT_EQ(reader->packs().size(), 1U);
    EXPECT_EQ(open(IndexMode::read_only)->packs().size(), 39U);
}

// A reader that opens while compaction takes files away sees the index as it was, or as it is, and no damage.
TEST_F(IndexTest, IsOpenedBesideAWriterThatHardlyRests) {
    std::atomic<bool> done = false;
    {
        const auto writer = open();
        add(*writer, 1);
        writer->flush();
    }
    std::thread writing([&] {
        const auto writer = open();
        for (uint64_t n = 2; !done; ++n) {
            add(*writer, n);
            writer->flush();
            std::this_thread::sleep_for(std::chrono::milliseconds(50));
        }
    });
    int opened = 0;
    for (const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(2); std::chrono::steady_clock::now() < until;
         ++opened)
        EXPECT_NO_THROW(EXPECT_GE(open(IndexMode::read_only)->packs().size(), 1U));
    done = true;
    writing.join();
    std::printf("%d opens beside a writer\n", opened);
    EXPECT_GT(opened, 3);
}

TEST_F(IndexTest, GenerationStaysUntilItIsRenewed) {
    std::string generation;
    {
        const auto index = open();
        generation = index->generation();
        add(*index, 1);
        index->flush();
    }
    EXPECT_EQ(open()->generation(), generation);
    open()->renew_generation();
    const std::string renewed = open(IndexMode::read_only)->generation();
    EXPECT_NE(renewed, generation);
    fs::remove_all(folder_);
    Index::create(folder_, repository_);
    EXPECT_NE(open()->generation(), renewed);
}

TEST_F(IndexTest, CatalogKeepsRecordsByKindAndId) {
    RecordName one{RecordKind::manifest, {}}, other{RecordKind::attestation, {}};
    random_bytes(one.id.bytes);
    other.id = one.id;
    const Bytes file = test::noise(5000, 1);
    {
        const auto index = open();
        EXPECT_EQ(index->record(one), std::nullopt);
        index->put_record(one, file);
        EXPECT_EQ(index->record(one), file);
        EXPECT_EQ(index->record(other), std::nullopt);
        index->flush();
    }
    EXPECT_EQ(open(IndexMode::read_only)->record(one), file);
    const auto index = open();
    index->remove_record(one);
    EXPECT_EQ(index->record(one), std::nullopt);
}

TEST_F(IndexTest, OfAnotherRepositoryIsDamaged) {
    RepositoryId other = repository_;
    other.bytes[0] ^= 1;
    EXPECT_THROW(Index(folder_, IndexMode::read_only, other), IndexDamaged);
}

TEST_F(IndexTest, IsNeverCreatedOverDamage) {
    fs::remove(folder_ + "/CURRENT");
    EXPECT_THROW(open(), IndexDamaged);
    EXPECT_THROW(open(IndexMode::read_only), IndexDamaged);
    fs::remove_all(folder_);
    EXPECT_THROW(open(), IndexDamaged);
    EXPECT_FALSE(fs::exists(folder_ + "/CURRENT"));
    fs::create_directories(folder_);
    std::ofstream(folder_ + "/CURRENT") << "MANIFEST-000001\n";
    EXPECT_EQ(code_of([&] { Index::create(folder_, repository_); }), Code::damaged);
}

// A flipped bit costs a rebuild at worst: IndexDamaged, or entries that are not found; never a wrong location.
TEST_F(IndexTest, AFlippedBitNeverLeadsToAWrongPlace) {
    {
        const auto index = open();
        for (uint64_t n = 0; n < 30; ++n) add(*index, n);
        index->flush();
    }
    fs::rename(folder_, dir_ / "good");
    std::mt19937_64 random(7);
    size_t flips = 0, damaged = 0, missing = 0;
    const size_t rounds = std::getenv("INGOT_NIGHTLY") != nullptr ? 400 : 12;
    for (const auto& entry : fs::directory_iterator(dir_ / "good")) {
        const std::string name = entry.path().filename().string();
        if (name.starts_with("LOG") || fs::file_size(entry.path()) == 0) continue;
        for (size_t round = 0; round < rounds; ++round, ++flips) {
            fs::remove_all(folder_);
            fs::copy(dir_ / "good", folder_, fs::copy_options::recursive);
            Bytes bytes = read_file(real_filesystem(), folder_ + "/" + name, 1 << 30);
            const size_t bit = random() % (bytes.size() * 8);
            bytes[bit / 8] = static_cast<uint8_t>(bytes[bit / 8] ^ (1U << (bit % 8)));
            replace_file(real_filesystem(), folder_ + "/" + name, bytes);
            try {
                const auto index = open(round % 2 == 0 ? IndexMode::read_only : IndexMode::read_write);
                for (uint64_t n = 0; n < 30; ++n) {
                    for (uint64_t i = 0; i < 6; ++i) {
                        const auto found = find(*index, chunk(100 * n + i));
                        if (found) {
                            EXPECT_EQ(*found, place(n, i)) << name << " bit " << bit;
                        } else {
                            ++missing;  // with its pack, which the listing shows: it is read in again
                            EXPECT_FALSE(index->packs().contains(number_of(pack(n).id))) << name << " bit " << bit;
                        }
                    }
                }
            } catch (const IndexDamaged&) {
                ++damaged;
            }
        }
    }
    std::printf("index bits flipped: %zu, damaged: %zu, entries not found: %zu, wrong: 0\n", flips, damaged, missing);
}

}  // namespace
}  // namespace ingot
