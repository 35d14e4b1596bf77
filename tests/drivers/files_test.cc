#include "drivers/files.h"

#include <sys/wait.h>

#include "tests/drivers/test_folder.h"

namespace ingot {
namespace {

class FilesTest : public testing::Test {
protected:
    FilesDriver driver(std::vector<std::string> paths, std::vector<std::string> exclude = {}) const {
        SourceSpec spec;
        spec.name = "models";
        spec.root = root_;
        spec.paths = std::move(paths);
        spec.exclude = std::move(exclude);
        spec.spool_dir = scratch_.path();
        return FilesDriver(spec);
    }

    TestFolder scratch_;
    std::string root_ = scratch_.folder("stack");
};

TEST_F(FilesTest, AMissingRootIsASourceErrorThatSaysWhatNext) {
    put(root_ + "/m/a", "x");
    const Error error = error_of([&] { driver({"gone", "away"}).prepare(); });
    EXPECT_EQ(error.code(), Code::source);
    EXPECT_NE(std::string(error.what()).find("/gone is not there"), std::string::npos);
    EXPECT_NE(error.hint().find("[sources.models]"), std::string::npos);
    EXPECT_EQ(error_of([&] { driver({"m/a/below"}).prepare(); }).code(), Code::source);
    driver({"m"}).prepare();
}

TEST_F(FilesTest, WhatIsThereIsDeliveredAndEachMissingPathIsNamed) {
    put(root_ + "/docs/a", "x");
    put(root_ + "/m/b", "y");
    FilesDriver source = driver({"docs", "gone", "m", "m/gone"});  // the last lies within another root
    source.prepare();
    const auto pin = source.pin();
    for (const char* missing : {"/gone is not there", "/m/gone is not there"}) {
        const Error error = error_of([&] { pin->next(); });
        EXPECT_EQ(error.code(), Code::source);
        EXPECT_EQ(std::string(error.what()), root_ + missing);
        EXPECT_NE(error.hint().find("[sources.models]"), std::string::npos);
    }
    EXPECT_EQ(paths_of(read_pin(*pin)), (std::vector<std::string>{"docs", "docs/a", "m", "m/b"}));
    EXPECT_EQ(pin->consistency(), PinConsistency::pinned);
}

TEST_F(FilesTest, WhereNothingIsLeftAtThePinItFails) {
    put(root_ + "/docs/a", "x");
    FilesDriver source = driver({"docs", "gone"});
    source.prepare();
    real_filesystem().remove(root_ + "/docs/a");
    ASSERT_EQ(::rmdir((root_ + "/docs").c_str()), 0);
    EXPECT_EQ(error_of([&] { source.pin(); }).code(), Code::source);
}

TEST_F(FilesTest, AnUnreadableRootIsASourceError) {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root, to become someone else";
    put(root_ + "/m/a", "x");
    ASSERT_EQ(::chmod((root_ + "/m").c_str(), 0700), 0);
    ASSERT_EQ(::chmod(scratch_.path().c_str(), 0755), 0);
    const pid_t child = ::fork();
    if (child == 0) {
        if (::setresuid(65534, 65534, 65534) != 0) ::_exit(9);
        try {
            driver({"m"}).prepare();
        } catch (const Error& error) {
            ::_exit(error.code() == Code::source && !error.hint().empty() ? 0 : 2);
        }
        ::_exit(3);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST_F(FilesTest, SaysWhereItsRootsLiveAndWhatItLeavesAlone) {
    const FilesDriver files = driver({"m", "/etc/nginx"}, {"*.tmp", "cache"});
    const auto roots = files.roots();
    ASSERT_EQ(roots.size(), 2u);
    EXPECT_EQ(roots[0].listing_path, "/etc/nginx");
    EXPECT_EQ(roots[1].listing_path, "m");
    EXPECT_EQ(roots[1].live_path, root_ + "/m");
    EXPECT_TRUE(files.excluded("m/a.tmp"));
    EXPECT_TRUE(files.excluded("m/cache/deep"));
    EXPECT_TRUE(files.excluded("/etc/nginx/a.tmp"));
    EXPECT_FALSE(files.excluded("m/a"));
}

TEST_F(FilesTest, OpeningAnArtifactCountsWhatIsThere) {
    put(scratch_ / "artifact/m/a", "12345");
    put(scratch_ / "artifact/m/b/c", "1");
    const Facts facts = driver({"m"}).open_artifact(scratch_ / "artifact");
    EXPECT_EQ(std::get<int64_t>(facts.at("files")), 2);
    EXPECT_EQ(std::get<int64_t>(facts.at("bytes")), 6);
}

TEST_F(FilesTest, AnArtifactOfNothingIsDamaged) {
    EXPECT_EQ(error_of([&] { driver({"m"}).open_artifact(scratch_.folder("empty")); }).code(), Code::damaged);
    EXPECT_EQ(error_of([&] { driver({"m"}).open_artifact(scratch_ / "gone"); }).code(), Code::damaged);
}

TEST_F(FilesTest, NoPathAtAllIsAUsageError) {
    EXPECT_EQ(error_of([&] { driver({}); }).code(), Code::usage);
}

}  // namespace
}  // namespace ingot
