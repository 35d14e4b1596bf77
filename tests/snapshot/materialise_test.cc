#include "snapshot/materialise.h"

#include "tests/snapshot/snapshot_test_base.h"
#include "tests/support/tree_model.h"

namespace ingot {
namespace {

TEST(PathBelow, LosesTheSlashOfAbsolutePaths) {
    EXPECT_EQ(path_below("models/a.bin"), "models/a.bin");
    EXPECT_EQ(path_below("/etc/x"), "etc/x");
    EXPECT_EQ(path_below("a/...b/..c"), "a/...b/..c");
    EXPECT_EQ(path_below("new\nline/\xff"), "new\nline/\xff");
}

TEST(PathBelow, RefusesWhatWouldLeaveItsFolder) {
    for (const std::string path : {"", "/", "..", "a/..", "../a", "a/../b", ".", "./a", "a/./b", "a//b", "a/", "//a"}) {
        try {
            (void)path_below(path);
            ADD_FAILURE() << path;
        } catch (const Error& error) {
            EXPECT_EQ(error.code(), Code::damaged) << path;
        }
    }
    EXPECT_THROW((void)path_below(std::string("a\0b", 3)), Error);
}

class Materialise : public SnapshotTest {
protected:
    Materialise() {
        source_.add_folder("data");
        source_.add("data/empty", "");
        source_.add("data/file", std::string(200'000, 'f'));
        FakeFile& link = source_.add("data/link", "");
        link.entry.type = EntryType::hard_link;
        link.entry.link = "data/file";
        source_.add("/etc/absolute", "outside of the root");
        source_.roots = {{"data", dir_.at("root/data")}, {"/etc/absolute", "/etc/absolute"}};
        add("files", source_);
        manifest_ = take().manifest;
    }
    Materialised run(const MaterialiseOptions& options = {}) {
        return materialise(*repository_, *manifest_.find("files"), real_filesystem(), dir_.at("out"), options, progress_);
    }
    FakeSource source_;
    Manifest manifest_;
};

TEST_F(Materialise, WritesEveryEntryUnderItsListingPath) {
    const Materialised written = run();
    EXPECT_EQ(written.entries, 5u);
    EXPECT_EQ(written.bytes, 200'019u);
    EXPECT_EQ(dir_.read("out/data/file"), std::string(200'000, 'f'));
    EXPECT_EQ(dir_.read("out/data/empty"), "");
    EXPECT_EQ(dir_.read("out/etc/absolute"), "outside of the root");
    EXPECT_EQ(std::filesystem::hard_link_count(dir_.at("out/data/file")), 2u);
}

TEST_F(Materialise, WritesOnlyWhatIsWantedAndTheFirstNamesOfLinks) {
    MaterialiseOptions options;
    options.wanted = [](const ListedEntry& listed) { return listed.entry.path == "data/link"; };
    EXPECT_EQ(run(options).entries, 2u);
    EXPECT_EQ(dir_.read("out/data/link"), std::string(200'000, 'f'));
    EXPECT_FALSE(dir_.has("out/data/empty"));
}

TEST_F(Materialise, OfASourceThatHoldsNothingMakesTheFolder) {
    ManifestSource nothing;
    nothing.name = "none";
    EXPECT_EQ(materialise(*repository_, nothing, real_filesystem(), dir_.at("out"), {}, progress_).entries, 0u);
    EXPECT_TRUE(dir_.has("out"));
}

TEST_F(Materialise, SeveralSourcesLieBelowTheirNames) {
    FakeSource other;
    other.add("data/file", std::string(300'000, 'o'));
    other.roots = {{"data", dir_.at("root/other")}};
    add("other", other);
    manifest_ = take().manifest;
    ManifestSource nothing;
    nothing.name = "none";
    const Materialised written = materialise_all(*repository_, {manifest_.find("other"), &nothing, manifest_.find("files")},
                                                 real_filesystem(), dir_.at("out"), {}, progress_);
    EXPECT_EQ(written.entries, 6u);
    EXPECT_EQ(written.bytes, 500'019u);
    EXPECT_EQ(dir_.read("out/other/data/file"), std::string(300'000, 'o'));
    EXPECT_EQ(dir_.read("out/files/data/file"), std::string(200'000, 'f'));
    EXPECT_EQ(dir_.read("out/files/etc/absolute"), "outside of the root");
    EXPECT_EQ(std::filesystem::hard_link_count(dir_.at("out/files/data/file")), 2u);
    EXPECT_TRUE(dir_.has("out/none"));
}

TEST_F(Materialise, RefusesToWriteOverWhatIsThere) {
    std::filesystem::create_directories(dir_.at("out/data"));
    dir_.write("out/data/file", "mine");
    EXPECT_THROW(run(), Error);
    EXPECT_EQ(dir_.read("out/data/file"), "mine");
}

}  // namespace
}  // namespace ingot
