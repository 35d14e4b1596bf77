#include "drivers/source_paths.h"

#include "tests/drivers/test_folder.h"

namespace ingot {
namespace {

SourceSpec spec_of(std::vector<std::string> paths) {
    SourceSpec spec;
    spec.name = "s";
    spec.root = "/opt/rag";
    spec.paths = std::move(paths);
    return spec;
}

TEST(SourcePaths, AreNormalisedAsText) {
    EXPECT_EQ(live_path_from("/opt/rag/", "a//b/./c/../d/"), "/opt/rag/a/b/d");
    EXPECT_EQ(live_path_from("/opt/rag", "../../../x"), "/x");
    EXPECT_EQ(live_path_from("/opt/rag", "/"), "/");
    EXPECT_EQ(live_path_from("/opt/rag", "."), "/opt/rag");
}

TEST(SourcePaths, WhatLiesBelowTheRootIsListedRelativeToIt) {
    EXPECT_EQ(listing_path_from("/opt/rag", "/opt/rag/a/b"), "a/b");
    EXPECT_EQ(listing_path_from("/opt/rag", "/opt/ragged"), "/opt/ragged");
    EXPECT_EQ(listing_path_from("/opt/rag", "/opt/rag"), "/opt/rag");
    EXPECT_EQ(listing_path_from("/", "/etc"), "etc");
    EXPECT_EQ(live_path_of("/opt/rag", "a/b"), "/opt/rag/a/b");
    EXPECT_EQ(live_path_of("/", "etc"), "/etc");
    EXPECT_EQ(live_path_of("/opt/rag", "/etc/x"), "/etc/x");
    EXPECT_EQ(path_in_artifact("/d", "/etc/x"), "/d/etc/x");
}

TEST(SourcePaths, RootsComeInListingOrderAndNestedOnesAreMerged) {
    const auto roots = roots_from(spec_of({"b", "a.b", "a", "a/x", "b/", "/etc/x", "./b"}));
    std::vector<std::string> listed;
    for (const SourceRoot& root : roots) listed.push_back(root.listing_path);
    EXPECT_EQ(listed, (std::vector<std::string>{"/etc/x", "a", "a.b", "b"}));
}

TEST(SourcePaths, TheStackRootHoldsWhatIsListedRelativeToIt) {
    const auto roots = roots_from(spec_of({"data", "."}));
    ASSERT_EQ(roots.size(), 1u);
    EXPECT_EQ(roots[0].listing_path, "/opt/rag");
}

TEST(SourcePaths, NoneOrAnImpossibleOneIsAUsageError) {
    EXPECT_EQ(error_of([] { roots_from(spec_of({})); }).code(), Code::usage);
    EXPECT_EQ(error_of([] { roots_from(spec_of({""})); }).code(), Code::usage);
    EXPECT_EQ(error_of([] { roots_from(spec_of({std::string("a\0b", 3)})); }).code(), Code::usage);
}

}  // namespace
}  // namespace ingot
