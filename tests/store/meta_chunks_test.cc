#include "store/meta_chunks.h"

#include "store/pack_writer.h"
#include "store/tree.h"
#include "tests/store/store_fixture.h"

namespace ingot {
namespace {

using test::noise;

class MetaChunksTest : public StoreTest {};

TEST_F(MetaChunksTest, GivesAChunkByItsDigestAndKind) {
    init();
    const StreamRoot small = store(noise(1000, 1));
    const auto repository = open_shared();
    MetaChunks chunks(repository->core());
    const ByteView bytes = chunks.chunk(ChunkKind::data, small.digest);
    EXPECT_EQ(Bytes(bytes.begin(), bytes.end()), noise(1000, 1));
    std::string message;
    EXPECT_EQ(code_of([&] { chunks.chunk(ChunkKind::meta, small.digest); }, &message), Code::damaged)
        << "the same bytes of another kind are another chunk";
    EXPECT_NE(message.find("in no pack"), std::string::npos) << message;
    EXPECT_NE(message.find("another copy"), std::string::npos) << message;
}

TEST_F(MetaChunksTest, ServesMoreSegmentsAndPacksThanItKeeps) {
    init(true, [](RepositoryConfig& config) { config.segment_bytes = config.pack_bytes = 4096; });
    std::vector<StreamRoot> roots;
    {
        const auto repository = open();
        const auto session = repository->begin();
        for (uint64_t i = 0; i < 60; ++i) {
            roots.push_back(put(*session, noise(4000, i)).root);
            session->flush();
        }
        session->commit();
    }
    const auto repository = open_shared();
    ASSERT_EQ(repository->packs().size(), 60U);
    MetaChunks chunks(repository->core());
    for (int round = 0; round < 2; ++round) {
        for (uint64_t i = 0; i < 60; ++i) {
            const ByteView bytes = chunks.chunk(ChunkKind::data, roots[i].digest);
            EXPECT_EQ(Bytes(bytes.begin(), bytes.end()), noise(4000, i));
        }
    }
}

TEST_F(MetaChunksTest, NamesThePackOfAChunkThatRotted) {
    init();
    const StreamRoot root = store(noise(1000, 1));
    const std::string pack = packs().at(0);
    flip(pack, 100);
    const auto repository = open_shared();
    MetaChunks chunks(repository->core());
    std::string message;
    EXPECT_EQ(code_of([&] { chunks.chunk(ChunkKind::data, root.digest); }, &message), Code::damaged);
    EXPECT_NE(message.find(pack.substr(pack.size() - 64)), std::string::npos) << message;
    EXPECT_EQ(code_of([&] { chunks.chunk(ChunkKind::data, root.digest); }), Code::damaged) << "and no less the second time";
}

// C09: a whole, well sealed pack that says to hold one chunk and holds another.
TEST_F(MetaChunksTest, AChunkUnderAnothersNameIsNeverGiven) {
    init();
    const auto repository = open();
    RepositoryCore& core = repository->core();
    const Bytes said = noise(500, 1), held = noise(500, 2);
    PackWriter writer(*core.blobs, core.keys, core.config.id, ChunkKind::data);
    writer.append(writer.seal_segment(0, {Content::bytes, held, {{core.id_of(ChunkKind::data, sha256(said)), 500}}}));
    writer.publish();
    const PackContents contents{{writer.id(), ChunkKind::data, writer.bytes_written(), 1, 0}, writer.directory()};
    core.index->add_packs({&contents, 1});
    core.index->flush();
    MetaChunks chunks(core);
    std::string message;
    EXPECT_EQ(code_of([&] { chunks.chunk(ChunkKind::data, sha256(said)); }, &message), Code::damaged);
    EXPECT_NE(message.find("other than its name"), std::string::npos) << message;
    const StreamRoot root{0, sha256(said), 500};
    EXPECT_EQ(code_of([&] { read(*repository, root); }), Code::damaged);
    const auto verifier = Verifier::over(*repository);
    verifier->add_all_packs();
    EXPECT_FALSE(verifier->run(0, 1, silent_).clean());
}

}  // namespace
}  // namespace ingot
