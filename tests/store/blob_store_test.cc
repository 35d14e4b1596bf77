// The contract of every BlobStore. A new implementation adds one line to kStores and owes nothing else.
#include "store/blob_store.h"

#include <gtest/gtest.h>

#include <map>
#include <thread>

#include "store/directory_store.h"
#include "tests/store/code_of.h"
#include "tests/store/memory_store.h"
#include "tests/support/memory_feed.h"
#include "tests/support/temp_dir.h"

namespace ingot {
namespace {

using test::noise;

struct Implementation {
    const char* name;
    std::unique_ptr<BlobStore> (*make)(const std::string& folder);
};

const Implementation kStores[] = {
    {"Directory",
     [](const std::string& folder) -> std::unique_ptr<BlobStore> {
         return std::make_unique<DirectoryStore>(real_filesystem(), folder);
     }},
    {"Memory", [](const std::string&) -> std::unique_ptr<BlobStore> { return std::make_unique<test::MemoryStore>(); }},
};

class BlobStoreContract : public ::testing::TestWithParam<Implementation> {
protected:
    std::map<std::string, uint64_t> listed(const std::string& prefix) {
        std::map<std::string, uint64_t> names;
        store_->list(prefix, [&](const std::string& name, uint64_t size) {
            EXPECT_TRUE(names.emplace(name, size).second) << name << " twice";
        });
        return names;
    }
    Bytes get(const std::string& name) { return store_->get(name, 1 << 30); }

    test::TempDir dir_{test::fast_folder()};
    std::unique_ptr<BlobStore> store_ = GetParam().make(dir_.path());
};

TEST_P(BlobStoreContract, GivesBackWhatWasPut) {
    for (const size_t size : {0, 1, 4096, 5 << 20}) {
        const std::string name = "records/manifest/" + std::to_string(size);
        const Bytes bytes = noise(size, size);
        EXPECT_TRUE(store_->put_new(name, bytes));
        EXPECT_EQ(get(name), bytes);
        EXPECT_EQ(store_->size_of(name), size);
    }
}

TEST_P(BlobStoreContract, NeverOverwrites) {
    const Bytes first = noise(100, 1);
    ASSERT_TRUE(store_->put_new("heads/a/1", first));
    EXPECT_FALSE(store_->put_new("heads/a/1", noise(50, 2)));
    const auto writer = store_->begin();
    writer->append(noise(70, 3));
    writer->sync();
    EXPECT_FALSE(writer->publish("heads/a/1"));
    EXPECT_EQ(get("heads/a/1"), first);
}

TEST_P(BlobStoreContract, WritesPiecesOneAfterTheOther) {
    const auto writer = store_->begin();
    Bytes all;
    for (const size_t size : {1, 0, 1000, 300'000, 7}) {
        const Bytes piece = noise(size, size);
        writer->append(piece);
        all.insert(all.end(), piece.begin(), piece.end());
        EXPECT_EQ(writer->size(), all.size());
    }
    writer->sync();
    EXPECT_TRUE(writer->publish("packs/ab/one"));
    EXPECT_EQ(get("packs/ab/one"), all);
}

TEST_P(BlobStoreContract, PublishesWithoutAnExplicitSync) {
    const auto writer = store_->begin();
    writer->append(noise(10, 1));
    EXPECT_TRUE(writer->publish("packs/ab/one"));
    EXPECT_EQ(get("packs/ab/one"), noise(10, 1));
}

TEST_P(BlobStoreContract, ShowsNothingBeforeItIsPublished) {
    {
        const auto writer = store_->begin();
        writer->append(noise(1000, 1));
        writer->sync();
        for (const char* folder : {"packs", "records", "heads", "keys"}) EXPECT_TRUE(listed(folder).empty());
    }
    for (const char* folder : {"packs", "records", "heads", "keys"}) EXPECT_TRUE(listed(folder).empty());
}

TEST_P(BlobStoreContract, ReadsAnyRangeAndShortOnlyAtTheEnd) {
    const Bytes bytes = noise(10'000, 1);
    store_->put_new("packs/ab/one", bytes);
    const auto file = store_->open("packs/ab/one");
    EXPECT_EQ(file->size(), bytes.size());
    for (const size_t offset : {0, 1, 4095, 9999, 10'000, 20'000}) {
        for (const size_t length : {0, 1, 5000, 20'000}) {
            Bytes out(length);
            const size_t expected = offset >= bytes.size() ? 0 : std::min(length, bytes.size() - offset);
            ASSERT_EQ(file->read_at(offset, out), expected);
            EXPECT_TRUE(std::equal(out.begin(), out.begin() + static_cast<ptrdiff_t>(expected),
                                   bytes.begin() + static_cast<ptrdiff_t>(std::min(offset, bytes.size()))));
        }
    }
    file->drop_cache();
    Bytes out(bytes.size());
    EXPECT_EQ(file->read_at(0, out), bytes.size());
    EXPECT_EQ(out, bytes);
}

TEST_P(BlobStoreContract, SaysSoWhereThereIsNothing) {
    EXPECT_EQ(code_of([&] { get("config"); }), Code::not_found);
    EXPECT_EQ(code_of([&] { store_->open("packs/ab/one"); }), Code::not_found);
    EXPECT_EQ(code_of([&] { store_->remove("packs/ab/one"); }), Code::not_found);
    EXPECT_EQ(store_->size_of("packs/ab/one"), std::nullopt);
    EXPECT_TRUE(listed("packs").empty());
}

TEST_P(BlobStoreContract, GetsNoMoreThanTheLimit) {
    store_->put_new("config", noise(100, 1));
    EXPECT_EQ(store_->get("config", 100).size(), 100U);
    EXPECT_EQ(code_of([&] { store_->get("config", 99); }), Code::damaged);
}

TEST_P(BlobStoreContract, ListsAllBelowAFolderAndNothingElse) {
    store_->put_new("packs/ab/one", noise(1, 1));
    store_->put_new("packs/ab/two", noise(2, 1));
    store_->put_new("packs/cd/three", noise(3, 1));
    store_->put_new("packs2/ab/four", noise(4, 1));
    store_->put_new("config", noise(5, 1));
    EXPECT_EQ(listed("packs"),
              (std::map<std::string, uint64_t>{{"packs/ab/one", 1}, {"packs/ab/two", 2}, {"packs/cd/three", 3}}));
    EXPECT_EQ(listed("packs/ab"), (std::map<std::string, uint64_t>{{"packs/ab/one", 1}, {"packs/ab/two", 2}}));
}

TEST_P(BlobStoreContract, RemovesAndTakesTheNameAgain) {
    store_->put_new("keys/a", noise(1, 1));
    store_->remove("keys/a");
    EXPECT_EQ(store_->size_of("keys/a"), std::nullopt);
    EXPECT_TRUE(listed("keys").empty());
    EXPECT_TRUE(store_->put_new("keys/a", noise(9, 1)));
    EXPECT_EQ(get("keys/a").size(), 9U);
}

TEST_P(BlobStoreContract, CleansWhatInterruptedWritersLeft) {
    store_->put_new("packs/ab/one", noise(1, 1));
    store_->clean_temporaries();
    {
        const auto writer = store_->begin();
        writer->append(noise(100, 1));
    }
    store_->clean_temporaries();
    EXPECT_TRUE(listed("tmp").empty());
    EXPECT_EQ(listed("packs").size(), 1U);
}

TEST_P(BlobStoreContract, TakesManyThreadsAndGivesANameToOneOfThem) {
    std::atomic<int> won = 0;
    std::vector<std::thread> threads;
    for (uint64_t t = 0; t < 8; ++t) {
        threads.emplace_back([&, t] {
            for (uint64_t i = 0; i < 20; ++i)
                store_->put_new("packs/ab/" + std::to_string(t) + "-" + std::to_string(i), noise(1000 + t, i));
            try {
                if (store_->put_new("heads/a/1", noise(100, t))) ++won;
            } catch (const Error& error) {
                EXPECT_EQ(error.code(), Code::failed) << "another came in between";
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(won, 1);
    const auto names = listed("packs");
    EXPECT_EQ(names.size(), 160U);
    for (uint64_t t = 0; t < 8; ++t) EXPECT_EQ(get("packs/ab/" + std::to_string(t) + "-7"), noise(1000 + t, 7));
    EXPECT_EQ(get("heads/a/1").size(), 100U);
}

INSTANTIATE_TEST_SUITE_P(Stores, BlobStoreContract, ::testing::ValuesIn(kStores),
                         [](const auto& param) { return std::string(param.param.name); });

}  // namespace
}  // namespace ingot
