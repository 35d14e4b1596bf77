#include "snapshot/invariants.h"

#include <gtest/gtest.h>

namespace ingot {
namespace {

Manifest manifest_with(Facts db, Facts vectors) {
    Manifest manifest;
    manifest.sources.resize(2);
    manifest.sources[0].name = "db";
    manifest.sources[0].facts = std::move(db);
    manifest.sources[1].name = "vectors";
    manifest.sources[1].facts = std::move(vectors);
    return manifest;
}

const std::vector<InvariantSpec> kOne = {{"every chunk has its vector", "vectors.ntotal", "db.chunks"}};

TEST(Invariants, HoldWhereBothFactsAreEqual) {
    EXPECT_TRUE(broken_invariants(kOne, manifest_with({{"chunks", int64_t{12}}}, {{"ntotal", int64_t{12}}})).empty());
    EXPECT_TRUE(broken_invariants(kOne, manifest_with({{"chunks", 12.0}}, {{"ntotal", int64_t{12}}})).empty());
    EXPECT_TRUE(broken_invariants(kOne, manifest_with({{"chunks", "a"}}, {{"ntotal", "a"}})).empty());
    EXPECT_TRUE(broken_invariants({}, Manifest()).empty());
}

TEST(Invariants, ThatDoNotHoldShowBothSides) {
    const auto broken = broken_invariants(kOne, manifest_with({{"chunks", int64_t{13}}}, {{"ntotal", int64_t{12}}}));
    ASSERT_EQ(broken.size(), 1u);
    EXPECT_EQ(broken[0], "the invariant \"every chunk has its vector\" does not hold: vectors.ntotal is 12 and db.chunks is 13");
    EXPECT_FALSE(broken_invariants(kOne, manifest_with({{"chunks", 12.5}}, {{"ntotal", int64_t{12}}})).empty());
    EXPECT_FALSE(broken_invariants(kOne, manifest_with({{"chunks", "12"}}, {{"ntotal", int64_t{12}}})).empty());
    EXPECT_FALSE(
        broken_invariants(kOne, manifest_with({{"chunks", 9007199254740992.0}}, {{"ntotal", (int64_t{1} << 53) + 1}})).empty());
    EXPECT_FALSE(broken_invariants(kOne, manifest_with({{"chunks", 1e300}}, {{"ntotal", int64_t{1}}})).empty());
}

TEST(Invariants, AFactThatIsNotThereIsNamedWithWhatThereIs) {
    const auto unknown =
        broken_invariants(kOne, manifest_with({{"chunk", int64_t{1}}, {"pages", int64_t{2}}}, {{"ntotal", int64_t{1}}}));
    ASSERT_EQ(unknown.size(), 1u);
    EXPECT_EQ(unknown[0],
              "the invariant \"every chunk has its vector\" cannot be checked: db has no fact chunks (it has: chunk, pages)");
    Manifest missing = manifest_with({{"chunks", int64_t{1}}}, {});
    missing.sources[1].status = SourceStatus::missing;
    EXPECT_EQ(broken_invariants(kOne, missing).at(0),
              "the invariant \"every chunk has its vector\" cannot be checked: vectors gave no facts: it is missing");
    missing.sources.pop_back();
    EXPECT_EQ(broken_invariants(kOne, missing).at(0),
              "the invariant \"every chunk has its vector\" cannot be checked: the snapshot has no source vectors");
}

TEST(Invariants, OfArtifactsAreCheckedWhereBothFactsWereFoundAgain) {
    EXPECT_TRUE(broken_in_artifacts(kOne, {{"db", {{"chunks", int64_t{12}}}}}).empty());
    EXPECT_TRUE(broken_in_artifacts(kOne, {{"db", {{"chunks", int64_t{12}}}}, {"vectors", {{"ntotal", int64_t{12}}}}}).empty());
    const auto broken = broken_in_artifacts(kOne, {{"db", {{"chunks", int64_t{11}}}}, {"vectors", {{"ntotal", int64_t{12}}}}});
    ASSERT_EQ(broken.size(), 1u);
    EXPECT_NE(broken[0].find("does not hold in what was read back: vectors.ntotal is 12 and db.chunks is 11"), std::string::npos);
}

TEST(Invariants, AsEvidenceSayWhatWasEqual) {
    const Facts facts = invariants_as_evidence(kOne, manifest_with({{"chunks", int64_t{12}}}, {{"ntotal", int64_t{12}}}));
    EXPECT_EQ(facts.at("every chunk has its vector"), Fact("vectors.ntotal = db.chunks = 12"));
}

TEST(Invariants, TheNameOfAFactEndsTheSourceAtTheFirstDot) {
    EXPECT_EQ(fact_name("db.a.b").source, "db");
    EXPECT_EQ(fact_name("db.a.b").fact, "a.b");
    for (const char* bad : {"", "db", ".a", "db."}) EXPECT_TRUE(fact_name(bad).source.empty()) << bad;
}

}  // namespace
}  // namespace ingot
