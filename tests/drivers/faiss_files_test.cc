#include "drivers/faiss_files.h"

#include "tests/drivers/faiss_fixture.h"

namespace ingot {
namespace {

class FaissFilesTest : public testing::Test {
protected:
    SourceSpec spec(std::map<std::string, std::string> options = {}) const {
        SourceSpec out;
        out.name = "vectors";
        out.root = root_;
        out.paths = {"data/my.index"};
        out.options = std::move(options);
        return out;
    }
    std::string path() const { return root_ + "/data/my.index"; }
    FaissLayout layout() const {
        const std::string bytes = get(path());
        return parse_faiss(
            [&](uint64_t offset, std::span<uint8_t> out) {
                return bytes.copy(reinterpret_cast<char*>(out.data()), out.size(), offset);
            },
            bytes.size());
    }
    // The live data files, by listing path.
    std::string found(const FaissFiles& files) const {
        std::string out;
        for (const SourceRoot& root : files.live_lists(layout())) out += root.listing_path + " ";
        return out;
    }

    TestFolder scratch_;
    std::string root_ = scratch_.folder("stack");
};

TEST_F(FaissFilesTest, RootsAreEveryDeclaredFileOnceInListingOrder) {
    const FaissFiles files = FaissFiles::from(spec({{"docstore", "data/my.pkl\n/srv/docs.json"}, {"lists", "data/a.lists"}}));
    EXPECT_EQ(files.index.listing_path, "data/my.index");
    EXPECT_EQ(files.docstore_skew_ms, 600'000);
    std::string names;
    for (const SourceRoot& root : files.roots({{"data/a.lists", root_ + "/data/a.lists"}, {"data/b", root_ + "/data/b"}})) {
        names += root.listing_path + " ";
    }
    EXPECT_EQ(names, "/srv/docs.json data/a.lists data/b data/my.index data/my.pkl ");
}

TEST_F(FaissFilesTest, AConfigThatCannotWorkIsSaid) {
    SourceSpec two = spec();
    two.paths.push_back("other.index");
    EXPECT_EQ(error_of([&] { FaissFiles::from(two); }).code(), Code::usage);
    EXPECT_EQ(error_of([&] { FaissFiles::from(spec({{"docstore", "data/my.index"}})); }).code(), Code::usage);
    EXPECT_EQ(error_of([&] { FaissFiles::from(spec({{"docstore", ""}})); }).code(), Code::usage);
    EXPECT_EQ(error_of([&] { FaissFiles::from(spec({{"docstore_skew", "soon"}})); }).code(), Code::usage);
    EXPECT_EQ(FaissFiles::from(spec({{"docstore_skew", "2h"}})).docstore_skew_ms, 7'200'000);
}

TEST_F(FaissFilesTest, DataFilesOfListsAreFoundByTheIndexsWordBesideItAndWhereTheyAreDeclared) {
    make_dirs(real_filesystem(), root_ + "/data", 0755);
    write_test_lists(path(), root_ + "/data/on.disk", 100);
    const FaissFiles plain = FaissFiles::from(spec());
    EXPECT_EQ(found(plain), "data/on.disk ");
    // Elsewhere, where the index says so.
    write_test_lists(path(), scratch_ / "elsewhere/on.disk", 100);
    EXPECT_EQ(found(plain), scratch_ / "elsewhere/on.disk ");
    // Moved beside the index, as FAISS itself may be told to look.
    real_filesystem().rename(scratch_ / "elsewhere/on.disk", root_ + "/data/on.disk", Rename::replace);
    EXPECT_EQ(found(plain), "data/on.disk ");
    // In a place that only the config knows.
    make_dirs(real_filesystem(), root_ + "/volume", 0755);
    real_filesystem().rename(root_ + "/data/on.disk", root_ + "/volume/on.disk", Rename::replace);
    const Error lost = error_of([&] { plain.live_lists(layout()); });
    EXPECT_EQ(lost.code(), Code::source);
    EXPECT_NE(std::string(lost.what()).find(scratch_ / "elsewhere/on.disk"), std::string::npos) << lost.what();
    EXPECT_NE(lost.hint().find("lists ="), std::string::npos);
    EXPECT_EQ(found(FaissFiles::from(spec({{"lists", "volume/on.disk"}}))), "volume/on.disk ");
}

TEST_F(FaissFilesTest, AnIndexCannotHaveAnotherUsersFileReadUnlessItIsDeclared) {
    if (::geteuid() != 0) GTEST_SKIP() << "only root can give files away";
    write_test_lists(path(), scratch_ / "secret/on.disk", 100);
    ASSERT_EQ(::chown(path().c_str(), 65534, 65534), 0);
    const Error error = error_of([&] { FaissFiles::from(spec()).live_lists(layout()); });
    EXPECT_EQ(error.code(), Code::source);
    EXPECT_NE(std::string(error.what()).find("another user"), std::string::npos);
    EXPECT_EQ(found(FaissFiles::from(spec({{"lists", scratch_ / "secret/on.disk"}}))), scratch_ / "secret/on.disk ");
}

TEST_F(FaissFilesTest, InAnArtifactTheyAreFoundBelowItAndNeverLive) {
    write_test_lists(path(), root_ + "/data/on.disk", 100);
    const FaissFiles files = FaissFiles::from(spec());
    const std::string artifact = scratch_.folder("artifact");
    const Error error = error_of([&] { files.lists_in_artifact(layout(), artifact); });
    EXPECT_EQ(error.code(), Code::damaged);
    EXPECT_NE(std::string(error.what()).find("on.disk"), std::string::npos);
    put(artifact + "/data/on.disk", "lists");
    EXPECT_EQ(files.lists_in_artifact(layout(), artifact), std::vector<std::string>{artifact + "/data/on.disk"});
}

}  // namespace
}  // namespace ingot
