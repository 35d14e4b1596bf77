#include "store/verify_tree.h"

#include <map>

#include "store/hash.h"
#include "store/tree.h"
#include "tests/store/store_fixture.h"

namespace ingot {
namespace {

using test::noise;

class VerifyTree : public StoreTest {
protected:
    // A tree whose every node names one child 128 times, in a repository that is not sealed: `height` levels over one chunk.
    StreamRoot store_hostile(uint8_t height) {
        const auto repository = open();
        const auto session = repository->begin();
        const Bytes chunk = noise(1000, 1);
        StreamRoot root = put(*session, chunk).root;
        for (uint8_t level = 1; level <= height; ++level) {
            Encoder node;
            node.u8(first_byte_of_nodes()).u8(level).u16(128);
            for (int i = 0; i < 128; ++i) node.raw(root.digest.view()).u64(root.size);
            const Bytes bytes = node.take();
            const auto length = static_cast<uint32_t>(bytes.size());
            const StreamRoot stored = put(*session, bytes, Section::blocks(length, length, 1), ChunkKind::meta).root;
            EXPECT_EQ(stored.height, 0) << "a node is one chunk";
            root = {level, stored.digest, root.size * 128};
        }
        session->commit();
        return root;
    }
    static uint8_t first_byte_of_nodes() {
        uint8_t out = 0;
        TreeBuilder builder;
        const auto emit = [&](const Digest&, const Bytes& node) { out = node.at(0); };
        for (int i = 0; i < 2; ++i) builder.add(sha256({}), 1, emit);
        builder.finish(emit);
        return out;
    }
};

TEST_F(VerifyTree, GivesEveryNodeAndChunkOfATree) {
    init();
    const Bytes bytes = noise(4 << 20, 1);
    const StreamRoot root = store(bytes, Section::blocks(bytes.size(), 1024, 1));
    ASSERT_GE(root.height, 2);
    const auto repository = open_shared();
    std::map<ChunkId, int> times;
    each_part_of(repository->core(), ChunkKind::data, root, [&](const ChunkId& id) { ++times[id]; });
    EXPECT_GT(times.size(), 4096u + 32) << "chunks, and nodes above them";
    for (const auto& [id, count] : times) EXPECT_EQ(count, 1);
    EXPECT_EQ(times.count(repository->core().id_of(ChunkKind::meta, root.digest)), 1u);
    const auto none = [](const Location&) { return false; };
    const auto all = [](const Location&) { return true; };
    EXPECT_EQ(lost_bytes_of(repository->core(), ChunkKind::data, root, none), 0u);
    EXPECT_EQ(lost_bytes_of(repository->core(), ChunkKind::data, root, all), bytes.size());
}

TEST_F(VerifyTree, CountsWhatIsLostWithAChunkAndWithANode) {
    init();
    const Bytes bytes = noise(4 << 20, 1);
    const StreamRoot root = store(bytes, Section::blocks(bytes.size(), 1024, 1));
    const auto repository = open_shared();
    const auto lost_with = [&](const Location& gone) {
        return lost_bytes_of(repository->core(), ChunkKind::data, root, [&](const Location& at) {
            return at.pack == gone.pack && at.segment == gone.segment && at.offset == gone.offset;
        });
    };
    const auto place_of = [&](ChunkKind kind, const Digest& digest) {
        const ChunkId id = repository->core().id_of(kind, digest);
        std::optional<Location> location;
        repository->core().lookup({&id, 1}, {&location, 1});
        return location.value();
    };
    EXPECT_EQ(lost_with(place_of(ChunkKind::data, sha256(ByteView(bytes).first(1024)))), 1024u);
    EXPECT_EQ(lost_with(place_of(ChunkKind::meta, root.digest)), bytes.size());
}

TEST_F(VerifyTree, AHostileTreeThatNamesOneChildAgainAndAgainIsFollowedOnce) {
    init(false);
    const StreamRoot root = store_hostile(7);  // 128^7 leaves
    const auto repository = open_shared();
    uint64_t parts = 0;
    each_part_of(repository->core(), ChunkKind::data, root, [&](const ChunkId&) { ++parts; });
    EXPECT_EQ(parts, 7u + 128);
    const auto lost = [](const Location&) { return false; };
    EXPECT_EQ(lost_bytes_of(repository->core(), ChunkKind::data, root, lost), 0u);
    const auto verifier = Verifier::over(*repository);
    verifier->add(ChunkKind::data, root, "hostile");
    EXPECT_TRUE(verifier->run(0, 1, silent_).clean());
}

TEST_F(VerifyTree, LengthsThatDoNotAddUpAreDamage) {
    init(false);
    StreamRoot root = store_hostile(3);
    const auto repository = open_shared();
    --root.size;
    EXPECT_EQ(code_of([&] { each_part_of(repository->core(), ChunkKind::data, root, [](const ChunkId&) {}); }), Code::damaged);
    root.height = kMaxTreeHeight + 1;
    EXPECT_EQ(code_of([&] { each_part_of(repository->core(), ChunkKind::data, root, [](const ChunkId&) {}); }), Code::damaged);
}

}  // namespace
}  // namespace ingot
