#include "base/metadata.h"

#include <sys/xattr.h>
#include <unistd.h>

#include "tests/drivers/test_folder.h"

namespace ingot {
namespace {

TEST(Metadata, ReadsModeOwnerTimeAndAttributesSorted) {
    const TestFolder scratch;
    put(scratch / "a", "x");
    ASSERT_EQ(::chmod((scratch / "a").c_str(), 0640), 0);
    ASSERT_EQ(::lsetxattr((scratch / "a").c_str(), "user.b", "2", 1, 0), 0);
    ASSERT_EQ(::lsetxattr((scratch / "a").c_str(), "user.a", "1", 1, 0), 0);
    set_mtime(scratch / "a", 1'000'000'000);
    const Metadata metadata = metadata_of(scratch / "a");
    EXPECT_EQ(metadata.mode, 0640u);
    EXPECT_EQ(metadata.uid, ::geteuid());
    EXPECT_EQ(metadata.mtime_ns, 1'000'000'000'000'000'000);
    ASSERT_EQ(metadata.xattrs.size(), 2u);
    EXPECT_EQ(metadata.xattrs[0], (std::pair<std::string, std::string>{"user.a", "1"}));
}

TEST(Metadata, LargeAttributesAreReadWhole) {
    const TestFolder scratch;
    put(scratch / "a", "x");
    const std::string value(3000, 'v');
    ASSERT_EQ(::lsetxattr((scratch / "a").c_str(), "user.large", value.data(), value.size(), 0), 0);
    EXPECT_EQ(xattrs_of(scratch / "a").at(0).second, value);
}

TEST(Metadata, NothingThereIsNotFound) {
    const TestFolder scratch;
    EXPECT_EQ(error_of([&] { metadata_of(scratch / "a"); }).code(), Code::not_found);
    put(scratch / "f", "");
    EXPECT_EQ(error_of([&] { stat_of(scratch / "f/below"); }).code(), Code::not_found);
}

TEST(Metadata, ApplyMakesThemEqualAndRemovesOtherAttributes) {
    const TestFolder scratch;
    put(scratch / "a", "x");
    put(scratch / "b", "x");
    ASSERT_EQ(::lsetxattr((scratch / "b").c_str(), "user.other", "2", 1, 0), 0);
    Metadata wish = metadata_of(scratch / "a");
    wish.mode = 0444;
    wish.mtime_ns = -1'500'000'000;  // before 1970
    wish.xattrs = {{"user.k", std::string("v\0w", 3)}};
    EXPECT_TRUE(apply_metadata(scratch / "b", wish, false).empty());
    EXPECT_EQ(metadata_of(scratch / "b"), wish);
}

TEST(Metadata, AChangeOfOwnerDoesNotLoseTheSetUserIdBit) {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    const TestFolder scratch;
    put(scratch / "a", "x");
    Metadata wish = metadata_of(scratch / "a");
    wish.uid = wish.gid = 65534;
    wish.mode = 04755;
    EXPECT_TRUE(apply_metadata(scratch / "a", wish, false).empty());
    EXPECT_EQ(metadata_of(scratch / "a"), wish);
}

TEST(Metadata, SymlinksAreNotFollowed) {
    const TestFolder scratch;
    put(scratch / "target", "x");
    const Metadata before = metadata_of(scratch / "target");
    ASSERT_EQ(::symlink("target", (scratch / "link").c_str()), 0);
    Metadata wish = metadata_of(scratch / "link");
    wish.mtime_ns = 1'000'000'000;
    EXPECT_TRUE(apply_metadata(scratch / "link", wish, true).empty());
    EXPECT_EQ(metadata_of(scratch / "link").mtime_ns, 1'000'000'000);
    EXPECT_EQ(metadata_of(scratch / "target"), before);
}

TEST(Metadata, WhatCannotBeSetIsOneLineEach) {
    const TestFolder scratch;
    put(scratch / "a", "x");
    Metadata wish = metadata_of(scratch / "a");
    wish.xattrs = {{"nonsense.name", "v"}};
    const auto problems = apply_metadata(scratch / "a", wish, false);
    ASSERT_EQ(problems.size(), 1u);
    EXPECT_NE(problems[0].find("nonsense.name"), std::string::npos);
    EXPECT_EQ(apply_metadata(scratch / "gone", wish, false).size(), 1u);
}

}  // namespace
}  // namespace ingot
