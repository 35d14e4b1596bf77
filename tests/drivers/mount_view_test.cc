#include "drivers/mount_view.h"

#include <algorithm>

#include "test_folder.h"
#include "tests/support/temp_dir.h"

namespace ingot {
namespace {

class MountViewTest : public testing::Test {
protected:
    MountViewTest() {
        put(live_ + "/etc/conf", "live");
        put(live_ + "/etc/sites/a", "live a");
        put(live_ + "/log/a.log", "live log");
        put(staged_ + "/conf", "staged");
        put(staged_ + "/sites/b", "staged b");
    }
    std::vector<Mount> plan(std::vector<OverlaidTree::Part> parts, const std::vector<std::string>& covered = {}) {
        return plan_view(OverlaidTree(std::move(parts)), covered, scratch_);
    }
    static std::vector<std::string> places(const std::vector<Mount>& mounts) {
        std::vector<std::string> out;
        for (const Mount& mount : mounts) out.push_back(mount.at);
        return out;
    }
    static bool has(const std::vector<Mount>& mounts, const std::string& from, const std::string& at) {
        return std::any_of(mounts.begin(), mounts.end(), [&](const Mount& each) { return each.from == from && each.at == at; });
    }

    TestFolder folder_;
    std::string live_ = folder_.folder("live"), staged_ = folder_.folder("staged"), scratch_ = folder_.folder("scratch");
};

TEST_F(MountViewTest, AFileAndAFolderAreBoundOverTheirLikes) {
    const auto mounts = plan({{live_ + "/etc/conf", staged_ + "/conf"}, {live_ + "/etc/sites", staged_ + "/sites"}});
    ASSERT_EQ(mounts.size(), 2U);
    EXPECT_TRUE(has(mounts, staged_ + "/conf", live_ + "/etc/conf"));
    EXPECT_TRUE(has(mounts, staged_ + "/sites", live_ + "/etc/sites"));
}

TEST_F(MountViewTest, WhereNothingIsTheFolderAroundItIsMirrored) {
    const auto mounts = plan({{live_ + "/etc/new", staged_ + "/conf"}});
    ASSERT_EQ(mounts.size(), 4U);
    EXPECT_EQ(mounts.back().at, live_ + "/etc");
    const std::string mirror = mounts.back().from;
    EXPECT_TRUE(has(mounts, live_ + "/etc/conf", mirror + "/conf"));
    EXPECT_TRUE(has(mounts, live_ + "/etc/sites", mirror + "/sites"));
    EXPECT_TRUE(has(mounts, staged_ + "/conf", mirror + "/new"));
    EXPECT_EQ(get(mirror + "/conf"), "");  // to be mounted on
    EXPECT_FALSE(real_filesystem().exists(live_ + "/etc/new"));
}

TEST_F(MountViewTest, MissingFoldersStandInOneChainForAllTheirParts) {
    const auto mounts = plan({{live_ + "/new/x/a", staged_ + "/conf"}, {live_ + "/new/x/y/sites", staged_ + "/sites"}});
    const auto at = places(mounts);
    EXPECT_EQ(std::count(at.begin(), at.end(), live_), 1);
    EXPECT_TRUE(has(mounts, staged_ + "/conf", live_ + "/new/x/a"));
    EXPECT_TRUE(has(mounts, staged_ + "/sites", live_ + "/new/x/y/sites"));
    EXPECT_LT(std::find(at.begin(), at.end(), live_), std::find(at.begin(), at.end(), live_ + "/new/x/a"));
}

TEST_F(MountViewTest, ALinkIsPutAsALink) {
    ASSERT_EQ(::symlink("sites/b", (staged_ + "/link").c_str()), 0);
    const auto mounts = plan({{live_ + "/etc/conf", staged_ + "/link"}});
    const std::string mirror = mounts.back().from;
    EXPECT_EQ(mounts.back().at, live_ + "/etc");
    EXPECT_EQ(::access((mirror + "/sites").c_str(), F_OK), 0);
    char target[64]{};
    EXPECT_EQ(::readlink((mirror + "/conf").c_str(), target, sizeof target), 7);
    EXPECT_EQ(std::string(target), "sites/b");
}

TEST_F(MountViewTest, WhatIsWrittenIsCovered) {
    ASSERT_EQ(::symlink("/dev/null", (live_ + "/log/null.log").c_str()), 0);
    const auto mounts = plan({{live_ + "/etc", staged_}}, {live_ + "/log/a.log", live_ + "/log/null.log", live_ + "/etc/own.log",
                                                           live_ + "/nowhere/x.log", "/new-below-root"});
    ASSERT_EQ(mounts.size(), 2U);
    EXPECT_EQ(mounts[1].at, live_ + "/log/a.log");
    EXPECT_EQ(get(mounts[1].from), "");
    const auto made = plan({}, {live_ + "/log/new.log"});
    EXPECT_EQ(made.back().at, live_ + "/log");  // so that it can be made
    EXPECT_EQ(get(live_ + "/log/a.log"), "live log");
}

TEST_F(MountViewTest, AViewThatCannotBeMadeIsAnErrorThatSaysSo) {
    EXPECT_EQ(error_of([&] { plan({{"/ingot-test-new-file", staged_ + "/conf"}}); }).code(), Code::failed);
    EXPECT_EQ(error_of([&] { plan({{live_ + "/etc/conf", staged_ + "/gone"}}); }).code(), Code::failed);
    const test::TempDir many;
    for (int i = 0; i < 4001; ++i) ASSERT_EQ(::symlink("x", (many / std::to_string(i)).c_str()), 0);
    EXPECT_NE(std::string(error_of([&] { plan({}, {many / "new"}); }).what()).find("too many"), std::string::npos);
}

}  // namespace
}  // namespace ingot
