#include "store/read_pipeline.h"

#include <mutex>

#include "tests/store/store_fixture.h"

namespace ingot {
namespace {

using test::noise;

// Which chunk was delivered when, and what was lost.
class Order : public ReadSink {
public:
    void write(uint64_t cookie, uint64_t offset, ByteView bytes) override {
        const std::lock_guard lock(mutex_);
        delivered.push_back(cookie);
        content[cookie] = Bytes(bytes.begin(), bytes.end());
        EXPECT_EQ(offset, cookie * 10);
    }
    void lost(uint64_t cookie, uint64_t, uint64_t, const Error& error) override {
        const std::lock_guard lock(mutex_);
        missing[cookie] = error.what();
    }
    std::vector<uint64_t> delivered;
    std::map<uint64_t, Bytes> content;
    std::map<uint64_t, std::string> missing;

private:
    std::mutex mutex_;
};

class ReadPipeline : public StoreTest {
protected:
    // Chunks of 4,000 bytes, one a stream; a pack per eight of them.
    void fill(uint64_t count) {
        init(true, [](RepositoryConfig& config) { config.segment_bytes = 4096; });
        const auto repository = open();
        const auto session = repository->begin();
        for (uint64_t i = 0; i < count; ++i) {
            put(*session, noise(4000, i));
            if (i % 8 == 7) session->flush();
        }
        session->commit();
    }
    static WantedChunk wanted(uint64_t n) { return {sha256(noise(4000, n)), {}, n, n * 10, 4000}; }
    // Both steps; returns what was located.
    LocatedChunks fetch_all(Repository& repository, std::vector<WantedChunk> wanted, ReadSink& sink) {
        LocatedChunks located = locate(repository.core(), ChunkKind::data, std::move(wanted), sink);
        fetch(repository.core(), located, sink, silent_);
        return located;
    }
};

TEST_F(ReadPipeline, FetchesInPackOrderWhateverTheOrderOfTheWish) {
    fill(64);
    const auto repository = open_shared();
    std::vector<WantedChunk> chunks;
    for (uint64_t i = 0; i < 64; ++i) chunks.push_back(wanted(i * 37 % 64));
    Order sink;
    const LocatedChunks located = fetch_all(*repository, chunks, sink);
    EXPECT_EQ(located.packs.size(), 8U);
    EXPECT_EQ(sink.content.size(), 64U);
    for (const auto& [cookie, bytes] : sink.content) EXPECT_EQ(bytes, noise(4000, cookie));
    EXPECT_TRUE(std::ranges::is_sorted(located.chunks, [](const WantedChunk& a, const WantedChunk& b) {
        return std::tuple(a.location.pack, a.location.segment, a.location.offset) <
               std::tuple(b.location.pack, b.location.segment, b.location.offset);
    }));
}

TEST_F(ReadPipeline, FetchesAFewOfManyAndNothingOfNone) {
    fill(64);
    const auto repository = open_shared();
    Order sink;
    std::vector<WantedChunk> chunks;
    fetch_all(*repository, chunks, sink);
    EXPECT_TRUE(sink.delivered.empty());
    chunks = {wanted(3), wanted(60), wanted(3), wanted(5)};
    fetch_all(*repository, chunks, sink);
    EXPECT_EQ(sink.delivered.size(), 4U);
    EXPECT_EQ(sink.content.at(60), noise(4000, 60));
}

// Pieces of a stream, put together by offset.
class Pieces : public ReadSink {
public:
    explicit Pieces(size_t size) : content(size) {}
    void write(uint64_t, uint64_t offset, ByteView bytes) override {
        const std::lock_guard lock(mutex_);
        ++writes;
        ASSERT_LE(offset + bytes.size(), content.size());
        std::ranges::copy(bytes, content.begin() + static_cast<ptrdiff_t>(offset));
    }
    Bytes content;
    size_t writes = 0;

private:
    std::mutex mutex_;
};

TEST_F(ReadPipeline, WritesNeighboursInTheirStreamAsOnePiece) {
    init();
    const Bytes bytes = noise(64 * 4096, 1);
    store(bytes, Section::blocks(bytes.size(), 4096, 1));
    const auto repository = open_shared();
    const auto block = [&](uint64_t n, uint64_t cookie) {
        return WantedChunk{sha256(ByteView(bytes).subspan(n * 4096, 4096)), {}, cookie, n * 4096, 4096};
    };
    std::vector<WantedChunk> all, but_one, other_streams;
    for (uint64_t i = 0; i < 64; ++i) {
        all.push_back(block(i, 0));
        if (i != 30) but_one.push_back(block(i, 0));
        other_streams.push_back(block(i, i / 16));
    }
    for (auto& [chunks, pieces] : {std::pair(all, size_t{1}), {but_one, 2}, {other_streams, 4}}) {
        Pieces sink(bytes.size());
        std::vector<WantedChunk> wanted_chunks = chunks;
        fetch_all(*repository, wanted_chunks, sink);
        EXPECT_EQ(sink.writes, pieces);
        Bytes expected = bytes;
        if (pieces == 2) std::fill_n(expected.begin() + 30 * 4096, 4096, uint8_t{0});
        EXPECT_EQ(sink.content, expected);
    }
}

// The same chunk at many places of a stream: each place is written, whatever lies beside it.
TEST_F(ReadPipeline, WritesARepeatedChunkToEachOfItsPlaces) {
    init();
    const Bytes once = noise(4096, 1), other = noise(4096, 2);
    Bytes bytes;
    for (int i = 0; i < 10; ++i) {
        const Bytes& next = i % 3 == 2 ? other : once;
        bytes.insert(bytes.end(), next.begin(), next.end());
    }
    const StreamRoot root = store(bytes, Section::blocks(bytes.size(), 4096, 1));
    EXPECT_EQ(read(*open_shared(), root), bytes);
}

TEST_F(ReadPipeline, LosesExactlyWhatIsDamaged) {
    fill(64);
    const auto repository = open_shared();
    RepositoryCore& core = repository->core();
    // Chunk 20's segment, by its place in the index.
    const ChunkId id = core.id_of(ChunkKind::data, sha256(noise(4000, 20)));
    std::optional<Location> at;
    core.lookup({&id, 1}, {&at, 1});
    const std::string pack = path_ + "/" + pack_name(core.index->packs().at(at->pack).id);
    flip(pack, kPackHeaderBytes + at->segment * 4000 + 17);
    std::vector<WantedChunk> chunks;
    for (uint64_t i = 0; i < 64; ++i) chunks.push_back(wanted(i));
    chunks.push_back(wanted(1000));  // nowhere
    Order sink;
    fetch_all(*repository, chunks, sink);
    EXPECT_EQ(sink.delivered.size(), 63U);
    ASSERT_EQ(sink.missing.size(), 2U);
    EXPECT_NE(sink.missing.at(20).find(pack.substr(pack.size() - 64)), std::string::npos) << sink.missing.at(20);
    EXPECT_NE(sink.missing.at(1000).find("in no pack"), std::string::npos);
}

TEST_F(ReadPipeline, LosesAChunkOfAnotherLengthThanTheStreamSays) {
    fill(8);
    const auto repository = open_shared();
    std::vector<WantedChunk> chunks = {wanted(1), wanted(2)};
    chunks[1].length = 3999;
    Order sink;
    fetch_all(*repository, chunks, sink);
    EXPECT_EQ(sink.delivered, std::vector<uint64_t>{1});
    EXPECT_EQ(sink.missing.size(), 1U);
}

// An index that points past its pack must cost the chunk, not the process.
TEST_F(ReadPipeline, LosesWhatTheIndexPutsInAnImpossiblePlace) {
    fill(8);
    const auto repository = open();
    RepositoryCore& core = repository->core();
    const IndexedPack pack = core.index->packs().begin()->second;
    const Bytes bytes = noise(100, 999);
    std::vector<SegmentEntry> directory(300);
    directory[299].chunks.push_back({core.id_of(ChunkKind::data, sha256(bytes)), 100});
    directory[0].chunks.push_back({core.id_of(ChunkKind::data, sha256(noise(100, 998))), 4'000'000});
    const PackContents contents{pack, directory};
    core.index->add_packs({&contents, 1});
    std::vector<WantedChunk> chunks = {
        {sha256(bytes), {}, 0, 0, 100}, {sha256(noise(100, 998)), {}, 1, 10, 4'000'000}, wanted(2), wanted(7)};
    Order sink;
    fetch_all(*repository, chunks, sink);
    EXPECT_EQ(sink.missing.size(), 2U);
    EXPECT_EQ(sink.delivered.size(), 2U);
}

TEST_F(ReadPipeline, PassesOnWhatTheSinkThrows) {
    fill(64);
    const auto repository = open_shared();
    class Full : public ReadSink {
        void write(uint64_t, uint64_t, ByteView) override { throw Error(Code::failed, "the target is full"); }
    } full;
    std::vector<WantedChunk> chunks;
    for (uint64_t i = 0; i < 64; ++i) chunks.push_back(wanted(i));
    EXPECT_EQ(code_of([&] { fetch_all(*repository, chunks, full); }), Code::failed);
}

}  // namespace
}  // namespace ingot
