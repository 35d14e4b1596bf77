#include "store/index_mend.h"

#include "store/pack_reader.h"
#include "store/pack_writer.h"
#include "tests/store/store_fixture.h"

namespace ingot {
namespace {

namespace fs = std::filesystem;
using test::MemoryFeed;
using test::noise;
using test::prose;

class IndexMend : public StoreTest {};

TEST_F(IndexMend, ADeletedIndexIsRebuiltAndDeduplicatesAsBefore) {
    init();
    const Bytes bytes = noise(4 << 20, 9);
    const StreamRoot root = store(bytes);
    fs::remove_all(path_ + "/index");
    EXPECT_EQ(read(*open_shared(), root), bytes);
    fs::remove_all(path_ + "/index");
    SessionTotals totals;
    store(bytes, {}, &totals);
    EXPECT_EQ(totals.bytes_new, 0U);
}

TEST_F(IndexMend, AnIndexFromBeforeASnapshotLearnsItsPacks) {
    init();
    store(noise(1 << 20, 1));
    fs::copy(path_ + "/index", dir_ / "old-index", fs::copy_options::recursive);
    const Bytes bytes = noise(4 << 20, 2);
    const StreamRoot root = store(bytes);
    fs::remove_all(path_ + "/index");
    fs::copy(dir_ / "old-index", path_ + "/index", fs::copy_options::recursive);
    EXPECT_EQ(read(*open_shared(), root), bytes);
    SessionTotals totals;
    store(bytes, {}, &totals);
    EXPECT_EQ(totals.bytes_new, 0U);
}

TEST_F(IndexMend, AnIndexThatKnowsARemovedPackIsMendedAndTheChunksAreStoredAgain) {
    init();
    const Bytes bytes = noise(4 << 20, 2);
    const StreamRoot root = store(bytes);
    const std::string generation = open_shared()->generation();
    fs::copy(path_ + "/index", dir_ / "old-index", fs::copy_options::recursive);
    for (const std::string& pack : packs()) fs::remove(pack);
    EXPECT_EQ(code_of([&] { read(*open_shared(), root); }), Code::damaged);
    EXPECT_NE(open_shared()->generation(), generation);
    fs::remove_all(path_ + "/index");
    fs::copy(dir_ / "old-index", path_ + "/index", fs::copy_options::recursive);
    SessionTotals totals;
    EXPECT_EQ(store(bytes, {}, &totals), root);
    EXPECT_EQ(totals.bytes_new, bytes.size());
    EXPECT_EQ(read(*open_shared(), root), bytes);
}

TEST_F(IndexMend, EveryByteOfTheIndexMayRot) {
    init();
    const Bytes bytes = prose(300'000, 2);
    const StreamRoot root = store(bytes, Section::blocks(bytes.size(), 4096, 1));
    fs::copy(path_ + "/index", dir_ / "good-index", fs::copy_options::recursive);
    const size_t flips_per_file = std::getenv("INGOT_NIGHTLY") != nullptr ? 200 : 10;
    size_t flips = 0;
    for (const auto& entry : fs::directory_iterator(dir_ / "good-index")) {
        const std::string name = entry.path().filename().string();
        if (name.starts_with("LOG")) continue;
        const size_t size = fs::file_size(entry.path());
        for (size_t byte = 0; byte < size; byte += 1 + size / flips_per_file) {
            fs::remove_all(path_ + "/index");
            fs::copy(dir_ / "good-index", path_ + "/index", fs::copy_options::recursive);
            flip(path_ + "/index/" + name, byte, byte % 8);
            ++flips;
            ASSERT_EQ(read(*open_shared(), root), bytes) << name << " byte " << byte;
            SessionTotals totals;
            const auto repository = open();
            const auto session = repository->begin();
            MemoryFeed feed;
            feed.add(bytes, Section::blocks(bytes.size(), 4096, 1));
            session->put(ChunkKind::data, feed, silent_);
            session->commit();
            EXPECT_EQ(read(*repository, feed.results.at(0).root), bytes) << name << " byte " << byte;
        }
    }
    fmt::print("index bits flipped: {}\n", flips);
}

TEST_F(IndexMend, AReaderBesideAWriterHidesWhatVanished) {
    init();
    const StreamRoot kept = store(noise(100'000, 1)), lost = store(noise(100'000, 2));
    const auto writer = open(LockMode::append);
    const auto before = packs();
    const Bytes bytes = read(*writer, lost);
    for (const std::string& pack : before) {
        fs::rename(pack, dir_ / "away");
        const auto reader = open_shared();
        size_t readable = 0;
        for (const auto& [root, content] : {std::pair(kept, noise(100'000, 1)), std::pair(lost, bytes)}) {
            const auto code = code_of([&] { EXPECT_EQ(read(*reader, root), content); });
            if (!code)
                ++readable;
            else
                EXPECT_EQ(code, Code::damaged);
        }
        EXPECT_EQ(readable, 1U) << "each of the four packs belongs to one of the two";
        fs::rename(dir_ / "away", pack);
    }
}

TEST_F(IndexMend, AReaderBesideAWriterMakesAnIndexOfItsOwnWhereThereIsNone) {
    init();
    const Bytes bytes = noise(100'000, 1);
    const StreamRoot root = store(bytes);
    const auto writer = open(LockMode::append);
    copy_index_to(dir_ / "saved");
    fs::remove_all(path_ + "/index");
    {
        const auto reader = open_shared();
        EXPECT_TRUE(warned("for this command alone"));
        EXPECT_EQ(read(*reader, root), bytes);
        EXPECT_FALSE(fs::is_empty(state_ + "/spool"));
    }
    EXPECT_TRUE(fs::is_empty(state_ + "/spool")) << "it is gone with its reader";
    EXPECT_FALSE(fs::exists(path_ + "/index"));
}

TEST_F(IndexMend, AWriterReadsInWhatAnotherLeftWithoutACommit) {
    init();
    const Bytes bytes = noise(300'000, 1);
    {
        const auto repository = open();
        const auto session = repository->begin();
        put(*session, bytes);
        session->flush();
    }
    fs::remove_all(path_ + "/index");
    SessionTotals totals;
    store(bytes, {}, &totals);
    EXPECT_EQ(totals.bytes_new, 0U);
    EXPECT_EQ(packs().size(), 2U);
}

TEST_F(IndexMend, APackWhoseDirectoryRottedIsNamedAndLeftOut) {
    init();
    const StreamRoot lost = store(noise(100'000, 1)), kept = store(noise(100'000, 2));
    const auto repository = open();
    const std::string pack = path_ + "/" + pack_name(repository->packs().front().id);
    flip(pack, fs::file_size(pack) - 60);
    warnings_.clear();
    rebuild_index(repository->core());
    EXPECT_TRUE(warned("taken as lost"));
    EXPECT_EQ(repository->packs().size(), 3U);
    size_t readable = 0;
    for (const StreamRoot& root : {lost, kept}) readable += code_of([&] { read(*repository, root); }) ? 0U : 1U;
    EXPECT_EQ(readable, 1U);
    // What was lost is stored again by whoever has it, and all is well again.
    const auto session = repository->begin();
    put(*session, noise(100'000, 1));
    put(*session, noise(100'000, 2));
    session->commit();
    EXPECT_EQ(read(*repository, lost), noise(100'000, 1));
    EXPECT_EQ(read(*repository, kept), noise(100'000, 2));
}

TEST_F(IndexMend, AFileOfAnotherSizeUnderAPacksNameIsAChangedPack) {
    init();
    const StreamRoot root = store(noise(100'000, 1));
    const std::string pack = packs(ChunkKind::data).at(0);
    fs::resize_file(pack, fs::file_size(pack) - 1);
    EXPECT_EQ(code_of([&] { read(*open_shared(), root); }), Code::damaged);
    EXPECT_TRUE(warned("rebuilt"));
    SessionTotals totals;
    store(noise(100'000, 1), {}, &totals);
    EXPECT_EQ(totals.bytes_new, 100'000U);
    EXPECT_EQ(read(*open_shared(), root), noise(100'000, 1));
}

TEST_F(IndexMend, ListsPacksByNumberAndNothingElse) {
    init();
    store(noise(1000, 1));
    std::ofstream(path_ + "/packs/readme") << "x";
    std::ofstream(path_ + "/packs/ab/" + std::string(64, 'a')) << "x";
    DirectoryStore blobs(real_filesystem(), path_);
    EXPECT_EQ(list_packs(blobs).size(), 1U);
    EXPECT_NO_THROW(store(noise(1000, 2)));
}

}  // namespace
}  // namespace ingot
