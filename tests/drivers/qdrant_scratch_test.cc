// Collections of a drill. What holds for every kind of scratch target is in tests/contract.
#include "drivers/qdrant_scratch.h"

#include <gtest/gtest.h>

#include "drivers/qdrant.h"
#include "tests/support/qdrant_server.h"

namespace ingot {
namespace {

class QdrantScratchTest : public testing::Test {
protected:
    QdrantScratchTest() {
        server_.create("rag");
        server_.upsert("rag", 0, 100);
        server_.alias("search", "rag");
        spec_ = server_.source();
        spec_.spool_dir = folder_.folder("spool");
    }
    void take() const {
        QdrantDriver driver(spec_);
        driver.prepare();
        put_files_of(*driver.pin(), folder_ / "artifact");
    }
    ScratchSpec scratch() const { return scratch_of(folder_); }
    std::string collections() const { return server_.ask("GET", "/collections"); }

    TestFolder folder_;
    QdrantServer server_;
    SourceSpec spec_;
};

TEST_F(QdrantScratchTest, ItsNamesAndAliasesLeadToTheScratchCollection) {
    spec_.options["collections"] = "search";
    spec_.facts = {{"all", "search"}};
    take();
    server_.upsert("rag", 100, 150);
    QdrantDriver driver(spec_);
    const auto target = driver.scratch_target(scratch());
    const Facts facts = target->load();
    EXPECT_EQ(std::get<int64_t>(facts.at("points")), 100);
    EXPECT_EQ(std::get<int64_t>(facts.at("all")), 100);
    QdrantDriver restored(target->source());
    for (const char* name : {"search", "rag"}) EXPECT_EQ(std::get<int64_t>(restored.ask_live(name)), 100) << name;
    EXPECT_EQ(std::get<int64_t>(driver.ask_live("rag")), 150);
    // The points of then, and not those of now.
    TopKRequest request;
    request.k = 200;
    request.spread = 1;
    EXPECT_EQ(restored.top_k_live(request)[0].neighbours.size(), 100u);
    target->remove();
    EXPECT_EQ(collections().find("ingot_drill"), std::string::npos);
}

TEST_F(QdrantScratchTest, ASnapshotThatIsTakenMeanwhileLeavesItOut) {
    take();
    QdrantDriver driver(spec_);
    const auto target = driver.scratch_target(scratch());
    target->load();
    ASSERT_NE(collections().find("rag__ingot_drill_0123456789abcdef"), std::string::npos);
    QdrantDriver other(spec_);
    other.prepare();
    EXPECT_EQ(std::get<int64_t>(other.pin()->facts().at("collections")), 1);
    target->remove();
}

TEST_F(QdrantScratchTest, ASourceThatIsADrillsOwnCollectionIsRefused) {
    const std::string name = "rag__ingot_drill_fedcba9876543210";
    server_.create(name);
    server_.upsert(name, 0, 5);
    spec_.options["collections"] = name;
    take();
    const std::string before = collections();
    QdrantDriver driver(spec_);
    const Error error = error_of([&] { driver.scratch_target(scratch())->load(); });
    EXPECT_EQ(error.code(), Code::usage);
    EXPECT_FALSE(error.hint().empty());
    EXPECT_EQ(collections(), before);
}

TEST_F(QdrantScratchTest, AnotherVersionAndAFullServerAreFailuresThatLeaveNothing) {
    take();
    QdrantDriver driver(spec_);
    server_.fault("POST .*/snapshots/upload", "status:507");
    EXPECT_EQ(error_of([&] { driver.scratch_target(scratch())->load(); }).code(), Code::failed);
    driver.scratch_target(scratch())->remove();
    EXPECT_EQ(collections().find("ingot_drill"), std::string::npos);
    server_.restart("1.18.0");
    const Error error = error_of([&] { driver.scratch_target(scratch())->load(); });
    EXPECT_EQ(error.code(), Code::incompatible);
    EXPECT_NE(error.hint().find("run Qdrant 1.19"), std::string::npos) << error.hint();
}

TEST_F(QdrantScratchTest, TheConfigMayWantNone) {
    spec_.options["scratch"] = "files";
    EXPECT_FALSE(QdrantDriver(spec_).scratch_target(scratch()));
}

}  // namespace
}  // namespace ingot
