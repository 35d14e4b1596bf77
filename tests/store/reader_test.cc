#include "store/reader.h"

#include <mutex>

#include "store/tree.h"
#include "tests/store/store_fixture.h"

namespace ingot {
namespace {

using test::noise;
using test::prose;

// Streams put together again from what a read delivered, and what it lost.
class Collected : public ReadSink {
public:
    explicit Collected(std::vector<uint64_t> sizes) {
        for (const uint64_t size : sizes) {
            bytes.emplace_back(size);
            times.emplace_back(size);
        }
    }
    void write(uint64_t cookie, uint64_t offset, ByteView chunk) override {
        const std::lock_guard lock(mutex_);
        std::copy(chunk.begin(), chunk.end(), bytes.at(cookie).begin() + static_cast<ptrdiff_t>(offset));
        for (size_t i = 0; i < chunk.size(); ++i) ++times.at(cookie).at(offset + i);
    }
    void lost(uint64_t cookie, uint64_t offset, uint64_t length, const Error& error) override {
        const std::lock_guard lock(mutex_);
        EXPECT_EQ(error.code(), Code::damaged);
        for (size_t i = 0; i < length; ++i) ++times.at(cookie).at(offset + i);
        lost_bytes += length;
        lost_of.insert(cookie);
    }
    // Each byte of each stream was delivered or lost, and that once.
    bool each_once() const {
        return std::ranges::all_of(
            times, [](const Bytes& stream) { return std::ranges::all_of(stream, [](uint8_t n) { return n == 1; }); });
    }
    std::vector<Bytes> bytes;
    std::vector<Bytes> times;
    uint64_t lost_bytes = 0;
    std::set<uint64_t> lost_of;

private:
    std::mutex mutex_;
};

class ReaderTest : public StoreTest {
protected:
    void read_all(Repository& repository, const std::vector<StreamRoot>& roots, ReadSink& sink) {
        size_t next = 0;
        Reader(repository)
            .read(
                ChunkKind::data,
                [&]() -> std::optional<ReadRequest> {
                    return next < roots.size() ? std::optional(ReadRequest{roots[next], next++}) : std::nullopt;
                },
                sink, silent_);
    }
    // A node of a stream tree as a chunk of kind meta: what a hostile repository without keys may hold.
    StreamRoot forged(const std::vector<TreeEntry>& entries, uint64_t size, uint8_t height = 1) {
        Encoder node;
        node.u8(0x4e).u8(height).u16(static_cast<uint16_t>(entries.size()));
        for (const TreeEntry& entry : entries) node.raw(entry.digest.view()).u64(entry.length);
        const auto repository = open();
        const auto session = repository->begin();
        const Bytes bytes = node.take();
        const Digest digest = put(*session, bytes, {bytes.size(), Cut::whole, 1, 0, Content::bytes}, ChunkKind::meta).root.digest;
        session->commit();
        return {height, digest, size};
    }
};

TEST_F(ReaderTest, DeliversManyStreamsOfManyPacksByteForByte) {
    init(true, [](RepositoryConfig& config) {
        config.segment_bytes = 16 << 10;
        config.pack_bytes = 64 << 10;
    });
    std::vector<Bytes> contents;
    std::vector<StreamRoot> roots;
    for (uint64_t session = 0; session < 5; ++session) {
        const auto repository = open();
        const auto writing = repository->begin();
        for (uint64_t i = 0; i < 6; ++i) {
            contents.push_back(i % 2 == 0 ? noise(i * 30'000, session * 10 + i) : prose(i * 30'000, session * 10 + i));
            roots.push_back(put(*writing, contents.back()).root);
        }
        writing->commit();
    }
    const auto repository = open_shared();
    EXPECT_GT(repository->packs().size(), 10U);
    std::vector<uint64_t> sizes;
    for (const StreamRoot& root : roots) sizes.push_back(root.size);
    Collected sink(sizes);
    read_all(*repository, roots, sink);
    EXPECT_TRUE(sink.each_once());
    for (size_t i = 0; i < contents.size(); ++i) EXPECT_EQ(sink.bytes[i], contents[i]);
    EXPECT_EQ(sink.lost_bytes, 0U);
}

TEST_F(ReaderTest, DeliversAChunkThatIsWantedManyTimes) {
    init();
    Bytes bytes;
    const Bytes block = noise(4096, 1);
    for (int i = 0; i < 300; ++i) bytes.insert(bytes.end(), block.begin(), block.end());
    const StreamRoot root = store(bytes, Section::blocks(bytes.size(), 4096, 1));
    const auto repository = open_shared();
    Collected sink({root.size, root.size});
    read_all(*repository, {root, root}, sink);
    EXPECT_TRUE(sink.each_once());
    EXPECT_EQ(sink.bytes[0], bytes);
    EXPECT_EQ(sink.bytes[1], bytes);
}

// More chunks than a window holds (16 Ki, then 128 Ki), so that its edges are crossed, twice in one stream and once between two.
TEST_F(ReaderTest, CrossesTheEdgesOfItsWindow) {
    init(false);
    const Bytes bytes = noise(4 * 140'000, 1), more = noise(4 * 1000, 2);
    const StreamRoot root = store(bytes, Section::blocks(bytes.size(), 4, 1)),
                     second = store(more, Section::blocks(more.size(), 4, 1));
    const auto repository = open_shared();
    EXPECT_GT(repository->stats().chunks, 131'072U + 1000U);
    Collected sink({root.size, second.size, root.size});
    read_all(*repository, {root, second, root}, sink);
    EXPECT_TRUE(sink.each_once());
    EXPECT_EQ(sink.bytes[0], bytes);
    EXPECT_EQ(sink.bytes[1], more);
    EXPECT_EQ(sink.bytes[2], bytes);
}

TEST_F(ReaderTest, TellsTheSinkWhatIsLostAndDeliversTheRest) {
    init(true, [](RepositoryConfig& config) { config.segment_bytes = 16 << 10; });
    const Bytes first = noise(400'000, 1), second = noise(400'000, 2);
    std::vector<StreamRoot> roots = {store(first), store(second)};
    const std::string pack = packs(ChunkKind::data).at(0);
    flip(pack, 200'000);
    const auto repository = open_shared();
    Collected sink({first.size(), second.size()});
    read_all(*repository, roots, sink);
    EXPECT_TRUE(sink.each_once());
    EXPECT_EQ(sink.lost_of.size(), 1U);
    EXPECT_GT(sink.lost_bytes, 0U);
    EXPECT_LE(sink.lost_bytes, 80U << 10) << "one segment, not the pack";
    const uint64_t whole = 1 - *sink.lost_of.begin();
    EXPECT_EQ(sink.bytes[whole], whole == 0 ? first : second);
}

TEST_F(ReaderTest, TellsTheSinkOfAWholePackThatIsMissingOrUnreadable) {
    init();
    const Bytes first = noise(400'000, 1), second = noise(400'000, 2);
    const std::vector<StreamRoot> roots = {store(first), store(second)};
    const auto repository = open_shared();
    const std::string pack = packs(ChunkKind::data).at(0);
    for (const bool missing : {true, false}) {
        std::filesystem::copy_file(pack, dir_ / "saved");
        if (missing)
            std::filesystem::remove(pack);
        else
            std::filesystem::resize_file(pack, 1000);
        Collected sink({first.size(), second.size()});
        read_all(*repository, roots, sink);
        EXPECT_TRUE(sink.each_once());
        EXPECT_EQ(sink.lost_bytes, first.size());
        std::filesystem::remove(pack);
        std::filesystem::rename(dir_ / "saved", pack);
    }
}

TEST_F(ReaderTest, TellsTheSinkOfALostTreeAndReadsTheNextStream) {
    init();
    const Bytes first = noise(400'000, 1), second = noise(900, 2);
    const std::vector<StreamRoot> roots = {store(first), store(second)};
    std::filesystem::remove(packs(ChunkKind::meta).at(0));
    const auto repository = open_shared();
    Collected sink({first.size(), second.size()});
    read_all(*repository, roots, sink);
    EXPECT_TRUE(sink.each_once());
    EXPECT_EQ(sink.lost_bytes, first.size());
    EXPECT_EQ(sink.bytes[1], second);
}

TEST_F(ReaderTest, EndsTheReadAtTheFirstLossUnlessTheSinkGoesOn) {
    init();
    const StreamRoot root = store(noise(400'000, 1));
    flip(packs(ChunkKind::data).at(0), 1000);
    const auto repository = open_shared();
    EXPECT_EQ(code_of([&] { read(*repository, root); }), Code::damaged);
    EXPECT_EQ(code_of([&] { Reader(*repository).to_spool(ChunkKind::data, root, repository->spool_dir()); }), Code::damaged);
}

// The sink gives up on what is fetched while more is looked up.
TEST_F(ReaderTest, EndsTheReadWhereTheSinkOfAnEarlierWindowThrows) {
    init(false);
    const Bytes bytes = noise(4 * 40'000, 1);
    const StreamRoot root = store(bytes, Section::blocks(bytes.size(), 4, 1));
    const auto repository = open_shared();
    class GivingUp : public ReadSink {
        void write(uint64_t, uint64_t, ByteView) override { throw Error(Code::failed, "no room"); }
    } sink;
    EXPECT_EQ(code_of([&] { read_all(*repository, {root, root, root}, sink); }), Code::failed);
}

TEST_F(ReaderTest, SpoolsAStreamAndKeepsMemoryBounded) {
    init();
    const Bytes bytes = prose(3 << 20, 1);
    const StreamRoot root = store(bytes);
    const auto repository = open_shared();
    Spool spool = Reader(*repository).to_spool(ChunkKind::data, root, repository->spool_dir());
    Bytes out(bytes.size() + 1);
    EXPECT_EQ(spool.read_at(0, out), bytes.size());
    out.resize(bytes.size());
    EXPECT_EQ(out, bytes);
    EXPECT_EQ(code_of([&] { Reader(*repository).to_memory(ChunkKind::data, root, bytes.size() - 1); }), Code::damaged);
    EXPECT_EQ(Reader(*repository).to_memory(ChunkKind::data, root, bytes.size()), bytes);
}

TEST_F(ReaderTest, WalksTheChunksInOrderAndStopsWhenTold) {
    init();
    const Bytes bytes = noise(4096 * 1000, 1);
    const StreamRoot root = store(bytes, Section::blocks(bytes.size(), 4096, 1));
    const auto repository = open_shared();
    size_t n = 0;
    Reader(*repository).walk(ChunkKind::data, root, [&](const Digest& digest, uint64_t length) {
        EXPECT_EQ(length, 4096U);
        EXPECT_EQ(digest, sha256(ByteView(bytes).subspan(4096 * n, 4096)));
        return ++n < 700;
    });
    EXPECT_EQ(n, 700U);
    Reader(*repository).walk(ChunkKind::data, {0, sha256({}), 0}, [&](const Digest&, uint64_t) {
        return ADD_FAILURE() << "nothing has no chunk", true;
    });
}

TEST_F(ReaderTest, RefusesTreesThatLie) {
    init(false);
    const Bytes block = noise(4096, 1);
    const Digest digest = store(block).digest;
    const uint64_t half = uint64_t{1} << 63;
    const std::vector<StreamRoot> hostile = {
        forged({{digest, half}, {digest, 4096}, {digest, half}}, 4096),  // a sum that wraps to the stream's size
        forged({{digest, 4096}, {digest, UINT64_MAX - 4095}}, 0),        // or to nothing
        forged({{digest, 4096}}, 8192),                                  // less than said
        forged({{digest, 4096}, {digest, 4096}}, 4096),                  // more than said
        forged({{digest, 4095}, {digest, 1}}, 4096),                     // lengths that are not the chunks'
        forged({{digest, 4096}}, 4096, 2),                               // a chunk where a node should be
        {1, digest, 4096},                                               // the same
        {22, digest, 4096},                                              // deeper than any tree
        {255, digest, 4096},
        {0, digest, 4095},
        {0, digest, 5000},
    };
    const auto repository = open_shared();
    for (size_t i = 0; i < hostile.size(); ++i) {
        EXPECT_EQ(code_of([&] { Reader(*repository).to_memory(ChunkKind::data, hostile[i], 1 << 20); }), Code::damaged) << i;
        const auto verifier = Verifier::over(*repository);
        verifier->add(ChunkKind::data, hostile[i], "hostile");
        verifier->run(0, 1, silent_);
    }
    EXPECT_EQ(code_of([&] { read(*repository, {0, digest, UINT64_MAX}); }), Code::damaged);
    EXPECT_EQ(read(*repository, forged({{digest, 4096}, {digest, 4096}}, 8192)).size(), 8192U) << "and an honest one is read";
}

}  // namespace
}  // namespace ingot
