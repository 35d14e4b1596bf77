#include "drivers/faiss.h"

#include "tests/drivers/faiss_fixture.h"

namespace ingot {
namespace {

class FaissTest : public testing::Test {
protected:
    FaissTest() {
        spec_.name = "vectors";
        spec_.root = root_;
        spec_.paths = {"i.faiss"};
        spec_.spool_dir = scratch_.folder("spool");
        write_test_index(index_, "HNSW8", 300);
    }
    // Everything a pin delivers, under its listing paths.
    std::string artifact(FaissDriver& driver) const {
        driver.prepare();
        const auto pin = driver.pin();
        for (const ReadEntry& read : read_pin(*pin)) put(scratch_ / ("artifact/" + read.entry.path), read.bytes);
        return scratch_ / "artifact";
    }
    std::string why_damaged(const std::string& dir) {
        const Error error = error_of([&] { FaissDriver(spec_).open_artifact(dir); });
        EXPECT_EQ(error.code(), Code::damaged) << error.what();
        return error.what();
    }

    TestFolder scratch_;
    std::string root_ = scratch_.folder("stack");
    std::string index_ = root_ + "/i.faiss";
    SourceSpec spec_;
};

TEST_F(FaissTest, AnArtifactIsOpenedByFaissAndHasTheFactsOfThePin) {
    FaissDriver driver(spec_);
    const std::string dir = artifact(driver);
    const Facts facts = driver.open_artifact(dir);
    EXPECT_EQ(std::get<std::string>(facts.at("opened_by")).find("FAISS "), 0u);
    for (const auto& [name, fact] : driver.pin()->facts()) EXPECT_EQ(facts.at(name), fact) << name;
}

TEST_F(FaissTest, DamageIsFoundByTheStructureOrByFaiss) {
    FaissDriver driver(spec_);
    const std::string dir = artifact(driver);
    const std::string whole = get(dir + "/i.faiss");
    put(dir + "/i.faiss", whole.substr(0, whole.size() - 1));
    why_damaged(dir);
    put(dir + "/i.faiss", whole + "x");
    why_damaged(dir);
    // A link of the graph to a node that is not there: FAISS reads it, and crashes when it searches.
    const std::string id("\x2a\0\0\0", 4);
    std::string linked = whole;
    const size_t at = linked.find(id, linked.size() / 2 - 10'000);
    ASSERT_NE(at, std::string::npos);
    linked[at + 2] = 0x7f;
    put(dir + "/i.faiss", linked);
    std::printf("%s\n", why_damaged(dir).c_str());
    real_filesystem().remove(dir + "/i.faiss");
    EXPECT_NE(why_damaged(dir).find("does not hold i.faiss"), std::string::npos);
}

TEST_F(FaissTest, AnUnknownKindIsStoredAndSaidNotToHaveBeenOpened) {
    put(index_, "Izzz" + get(index_).substr(4));
    FaissDriver driver(spec_);
    const Facts facts = driver.open_artifact(artifact(driver));
    EXPECT_EQ(std::get<std::string>(facts.at("opened_by")).find("nothing"), 0u);
}

TEST_F(FaissTest, DataFilesOfListsAreRootsWhileTheIndexNamesThemOrTheConfigDoes) {
    const std::string lists = scratch_ / "volume/on.disk";
    write_test_lists(index_, lists, 300);
    FaissDriver driver(spec_);
    ASSERT_EQ(driver.roots().size(), 2u);
    const std::string dir = artifact(driver);
    EXPECT_TRUE(real_filesystem().exists(dir + lists));
    // The live data file is not what is opened.
    put(lists, "lost");
    const Facts facts = driver.open_artifact(dir);
    EXPECT_EQ(std::get<int64_t>(facts.at("ntotal")), 300);
    EXPECT_EQ(std::get<int64_t>(facts.at("files")), 2);
    put(dir + lists, "lost too");
    why_damaged(dir);
    real_filesystem().remove(index_);
    EXPECT_EQ(FaissDriver(spec_).roots().size(), 1u);
    spec_.options["lists"] = lists;
    EXPECT_EQ(FaissDriver(spec_).roots().size(), 2u);
}

TEST_F(FaissTest, DataFilesThatASnapshotHoldsAreTakenBelowTheStackAndBesideTheIndexOnly) {
    FaissDriver driver(spec_);
    driver.adopt_roots({"i.faiss", "lists/on.disk", "/etc/passwd"});
    std::vector<std::string> live;
    for (const SourceRoot& root : driver.roots()) live.push_back(root.live_path);
    EXPECT_EQ(live, (std::vector<std::string>{index_, root_ + "/lists/on.disk"}));
    driver.prepare();
    EXPECT_EQ(driver.roots().size(), 1u) << "a snapshot of today holds what the index names today";
}

TEST_F(FaissTest, WhatIsMissingOrNoFileIsSaidBeforeAnybodyIsPaused) {
    spec_.options["docstore"] = "i.pkl";
    const Error missing = error_of([&] { FaissDriver(spec_).prepare(); });
    EXPECT_EQ(missing.code(), Code::source);
    EXPECT_NE(std::string(missing.what()).find("i.pkl is not there"), std::string::npos);
    EXPECT_NE(missing.hint().find("ingot restore golden --only vectors"), std::string::npos);
    ASSERT_EQ(::symlink("i.faiss", (root_ + "/i.pkl").c_str()), 0);
    EXPECT_NE(error_of([&] { FaissDriver(spec_).prepare(); }).hint().find("the file that it points to"), std::string::npos);
}

TEST_F(FaissTest, AnIndexThatIsTornWhenItIsPreparedIsThePinsBusiness) {
    const std::string whole = get(index_);
    put(index_, whole.substr(0, 1000));
    FaissDriver driver(spec_);
    driver.prepare();
    put(index_, whole);
    EXPECT_EQ(std::get<int64_t>(driver.pin()->facts().at("ntotal")), 300);
}

}  // namespace
}  // namespace ingot
