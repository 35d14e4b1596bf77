#include "restore/live_roots.h"

#include <gtest/gtest.h>

#include "tests/base/temp_dir.h"

namespace ingot {
namespace {

TEST(LiveRoot, IsReachedFromTheStacksRootSoThatLinksBelowItAreSeen) {
    TempDir dir;
    const LiveRoot root = live_root({"data/x", dir.at("data/x")}, dir.path());
    EXPECT_EQ(root.anchor, dir.path());
    EXPECT_EQ(root.path, "data/x");
    EXPECT_EQ(root.live_path("data/x/y"), dir.at("data/x/y"));
}

TEST(LiveRoot, OutsideOfTheStackIsReachedFromItsFolder) {
    TempDir dir;
    const LiveRoot root = live_root({dir.at("site"), dir.at("site")}, "/opt/stack");
    EXPECT_EQ(root.anchor, dir.path());
    EXPECT_EQ(root.path, "site");
}

TEST(LiveRoot, IsReachedFromTheNearestFolderThatExists) {
    TempDir dir;
    const LiveRoot root = live_root({"data", dir.at("gone/stack/data")}, dir.at("gone/stack"));
    EXPECT_EQ(root.anchor, dir.path());
    EXPECT_EQ(root.path, "gone/stack/data");
}

TEST(RootOf, FindsTheRootThatHoldsAPath) {
    const std::vector<LiveRoot> roots = {{"data", "/s", "data"}, {"/etc/x", "/etc", "x"}};
    EXPECT_EQ(root_of(roots, "data/a"), &roots[0]);
    EXPECT_EQ(root_of(roots, "/etc/x"), &roots[1]);
    EXPECT_EQ(root_of(roots, "database"), nullptr);
}

}  // namespace
}  // namespace ingot
