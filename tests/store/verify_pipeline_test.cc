// The Verifier (store/repository.h): what it must find, and whose name it must give to it.
#include "store/record.h"
#include "tests/store/store_fixture.h"

namespace ingot {
namespace {

using test::noise;
using test::prose;

class VerifyPipeline : public StoreTest {
protected:
    VerifyReport verify(const std::vector<std::pair<StreamRoot, std::string>>& streams, int64_t max_age_ms = 0) {
        const auto repository = open();
        const auto verifier = Verifier::over(*repository);
        for (const auto& [root, label] : streams) verifier->add(ChunkKind::data, root, label);
        return verifier->run(max_age_ms, 1, silent_);
    }
    static bool names(const VerifyReport& report, const std::string& where) {
        return std::ranges::any_of(report.findings,
                                   [&](const Finding& finding) { return finding.where.find(where) != std::string::npos; });
    }
};

TEST_F(VerifyPipeline, ReadsEveryPackThatAStreamNeedsAndNoOther) {
    init();
    const Bytes bytes = noise(1 << 20, 1);
    const StreamRoot root = store(bytes);
    store(noise(1 << 20, 2));
    const VerifyReport report = verify({{root, "a"}});
    EXPECT_TRUE(report.clean());
    EXPECT_EQ(report.streams, 1U);
    EXPECT_EQ(report.packs, 2U) << "its data and its tree";
    EXPECT_GE(report.bytes, bytes.size());
    const auto repository = open();
    const auto all = Verifier::over(*repository);
    all->add_all_packs();
    EXPECT_EQ(all->run(0, 1, silent_).packs, 4U);
}

TEST_F(VerifyPipeline, FindsAFlippedBitAnywhereAndNamesTheStreamThatLostBytes) {
    init(true, [](RepositoryConfig& config) { config.segment_bytes = 16 << 10; });
    const StreamRoot hurt = store(noise(200'000, 1)), fine = store(noise(200'000, 2));
    size_t flips = 0;
    for (const std::string& pack : packs()) {
        const size_t size = std::filesystem::file_size(pack);
        for (size_t byte = 3; byte < size; byte += 1 + size / 9, ++flips) {
            flip(pack, byte, byte % 8);
            const VerifyReport report = verify({{hurt, "stream one"}, {fine, "stream two"}});
            EXPECT_FALSE(report.clean()) << pack << " byte " << byte;
            EXPECT_TRUE(names(report, pack.substr(pack.size() - 64)) || names(report, "stream")) << byte;
            EXPECT_FALSE(names(report, "stream one") && names(report, "stream two")) << "one of them is whole";
            flip(pack, byte, byte % 8);
        }
    }
    EXPECT_TRUE(verify({{hurt, "stream one"}, {fine, "stream two"}}).clean());
    std::printf("pack bits flipped under verify: %zu\n", flips);
}

TEST_F(VerifyPipeline, GoesOnAfterDamageAndCountsTheLostBytes) {
    init(true, [](RepositoryConfig& config) { config.segment_bytes = 16 << 10; });
    const StreamRoot root = store(noise(400'000, 1));
    const std::string pack = packs(ChunkKind::data).at(0);
    for (const size_t byte : {50'000, 150'000, 350'000}) flip(pack, byte);
    const VerifyReport report = verify({{root, "the stream"}});
    size_t segments = 0;
    for (const Finding& finding : report.findings) segments += finding.what.find("segment") != std::string::npos ? 1U : 0U;
    EXPECT_EQ(segments, 3U);
    ASSERT_TRUE(names(report, "the stream"));
    EXPECT_NE(report.findings.back().what.find("of 400000 bytes are lost"), std::string::npos) << report.findings.back().what;
    EXPECT_GT(report.bytes, 200'000U) << "the rest was read";
}

TEST_F(VerifyPipeline, FindsAMissingPack) {
    init();
    const StreamRoot root = store(noise(400'000, 1));
    for (const ChunkKind kind : {ChunkKind::data, ChunkKind::meta}) {
        const std::string pack = packs(kind).at(0);
        std::filesystem::rename(pack, dir_ / "away");
        EXPECT_TRUE(names(verify({{root, "the stream"}}), "the stream"));
        {
            const auto repository = open_shared();
            std::filesystem::rename(dir_ / "away", pack);
        }
        const auto repository = open_shared();
        std::filesystem::rename(pack, dir_ / "away");
        const auto verifier = Verifier::over(*repository);
        verifier->add(ChunkKind::data, root, "the stream");
        EXPECT_TRUE(names(verifier->run(0, 1, silent_), "the stream")) << "gone under an open repository";
        std::filesystem::rename(dir_ / "away", pack);
    }
    EXPECT_TRUE(verify({{root, "the stream"}}).clean());
}

// I3: damage must not be remembered as verified, and a reader remembers nothing.
TEST_F(VerifyPipeline, RemembersOnlyPacksThatWereWhole) {
    init();
    const StreamRoot root = store(noise(400'000, 1));
    {
        const auto repository = open_shared();
        const auto verifier = Verifier::over(*repository);
        verifier->add(ChunkKind::data, root, "s");
        EXPECT_TRUE(verifier->run(0, 1, silent_).clean());
        for (const PackInfo& pack : repository->packs()) EXPECT_EQ(pack.verified_ms, 0);
    }
    flip(packs(ChunkKind::data).at(0), 1000);
    EXPECT_FALSE(verify({{root, "s"}}).clean());
    size_t verified = 0;
    for (const PackInfo& pack : open()->packs()) {
        if (pack.verified_ms == 0)
            EXPECT_EQ(pack.kind, ChunkKind::data);
        else
            ++verified;
    }
    EXPECT_EQ(verified, 1U) << "the pack of trees";
    const VerifyReport again = verify({{root, "s"}}, 1'000'000);
    EXPECT_FALSE(again.clean()) << "the damaged pack is read again though its neighbour is not";
    EXPECT_EQ(again.packs_recent, 1U);
}

TEST_F(VerifyPipeline, SamplesTheShareAskedFor) {
    init(true, [](RepositoryConfig& config) { config.segment_bytes = config.pack_bytes = 4096; });
    {
        const auto repository = open();
        const auto session = repository->begin();
        for (uint64_t i = 0; i < 120; ++i) {
            put(*session, noise(4000, i));
            session->flush();
        }
        session->commit();
    }
    const auto repository = open_shared();
    uint64_t read = 0;
    for (int i = 0; i < 5; ++i) {
        const auto verifier = Verifier::over(*repository);
        verifier->add_all_packs();
        const VerifyReport report = verifier->run(0, 0.25, silent_);
        EXPECT_LT(report.packs, 120U);
        read += report.packs;
    }
    EXPECT_GT(read, 60U);
    EXPECT_LT(read, 300U);
}

}  // namespace
}  // namespace ingot
