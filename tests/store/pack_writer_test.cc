#include "store/pack_writer.h"

#include <gtest/gtest.h>

#include <thread>

#include "store/directory_store.h"
#include "tests/store/code_of.h"
#include "tests/store/sample_pack.h"
#include "tests/support/temp_dir.h"

namespace ingot {
namespace {

using test::noise;
using test::prose;
using test::SamplePack;

std::vector<std::string> names_in(BlobStore& store, const std::string& folder) {
    std::vector<std::string> names;
    store.list(folder, [&](const std::string& name, uint64_t) { names.push_back(name); });
    return names;
}

TEST(PackWriter, WritesAPackThatReadsBack) {
    for (const bool sealed : {true, false}) {
        for (const ChunkKind kind : {ChunkKind::data, ChunkKind::meta}) {
            SamplePack pack(sealed, kind);
            const PackReader reader = pack.open();
            EXPECT_EQ(reader.kind(), kind);
            EXPECT_EQ(reader.size(), pack.file().size());
            ASSERT_EQ(reader.segments().size(), pack.drafts.size());
            for (size_t i = 0; i < pack.drafts.size(); ++i) EXPECT_EQ(pack.segment(reader, i), pack.drafts[i].plain);
        }
    }
}

TEST(PackWriter, AppearsAtOnceAndOnlyWhenItIsPublished) {
    const test::TempDir dir(test::fast_folder());
    DirectoryStore store(real_filesystem(), dir.path());
    const SamplePack sample;
    const KeyRing keys = KeyRing::generate();
    {
        PackWriter abandoned(store, keys, {}, ChunkKind::data);
        abandoned.append(abandoned.seal_segment(0, sample.drafts[0]));
        EXPECT_EQ(names_in(store, "tmp").size(), 1U);
    }
    EXPECT_TRUE(names_in(store, "tmp").empty());
    EXPECT_TRUE(names_in(store, "packs").empty());
    PackWriter writer(store, keys, {}, ChunkKind::data);
    writer.append(writer.seal_segment(0, sample.drafts[0]));
    EXPECT_TRUE(names_in(store, "packs").empty());
    writer.publish();
    EXPECT_EQ(names_in(store, "packs"), std::vector<std::string>{pack_name(writer.id())});
    EXPECT_TRUE(names_in(store, "tmp").empty());
    EXPECT_EQ(store.size_of(pack_name(writer.id())), writer.bytes_written());
}

TEST(PackWriter, SealsSegmentsFromSeveralThreadsAtOnce) {
    SamplePack pack;
    PackWriter writer(pack.store, pack.keys, pack.repository, ChunkKind::data);
    std::vector<SegmentDraft> drafts;
    for (uint64_t i = 0; i < 16; ++i)
        drafts.push_back(pack.draft(Content::bytes, {i % 2 == 0 ? prose(50'000, i) : noise(50'000, i)}));
    std::vector<SealedSegment> sealed(drafts.size());
    std::vector<std::thread> threads;
    for (size_t t = 0; t < 4; ++t) {
        threads.emplace_back([&, t] {
            for (size_t i = t; i < drafts.size(); i += 4) sealed[i] = writer.seal_segment(static_cast<uint32_t>(i), drafts[i]);
        });
    }
    for (std::thread& thread : threads) thread.join();
    for (SealedSegment& segment : sealed) writer.append(std::move(segment));
    EXPECT_EQ(writer.segments(), drafts.size());
    writer.publish();
    pack.id = writer.id();
    const PackReader reader = pack.open();
    for (size_t i = 0; i < drafts.size(); ++i) EXPECT_EQ(pack.segment(reader, i), drafts[i].plain);
}

TEST(PackWriter, GivesEachPackItsOwnNameAndKey) {
    SamplePack pack;
    const PackId first = pack.id;
    const Bytes first_file = pack.file();
    pack.write(ChunkKind::data, 1);
    EXPECT_NE(pack.id, first);
    EXPECT_FALSE(std::equal(first_file.begin() + 48, first_file.begin() + 248, pack.file().begin() + 48))
        << "the same plaintext, the same ciphertext";
}

// A store that loses what it was given is found by reading back, before the index trusts it (I6).
class ForgetfulStore : public test::MemoryStore {
public:
    std::unique_ptr<ReadFile> open(const std::string& name) override {
        Bytes& file = blobs.at(name);
        test::flip_bit(file, (file.size() - kPackFooterBytes - 5) * 8);
        return MemoryStore::open(name);
    }
};

TEST(PackWriter, ReadsTheDirectoryBackAndComparesIt) {
    ForgetfulStore store;
    const SamplePack sample;
    PackWriter writer(store, sample.keys, sample.repository, ChunkKind::data);
    writer.append(writer.seal_segment(0, sample.drafts[0]));
    EXPECT_EQ(code_of([&] { writer.publish(); }), Code::failed);
}

}  // namespace
}  // namespace ingot
