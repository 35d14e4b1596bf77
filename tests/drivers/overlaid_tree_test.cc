#include "drivers/overlaid_tree.h"

#include "test_folder.h"

namespace ingot {
namespace {

class OverlaidTreeTest : public testing::Test {
protected:
    OverlaidTreeTest() : live_(folder_.folder("live")), staged_(folder_.folder("staged")) {
        put(live_ + "/etc/a", "live a");
        put(live_ + "/etc/only-live", "x");
        put(live_ + "/other", "other");
        put(staged_ + "/etc/a", "staged a");
        put(staged_ + "/etc/only-staged", "y");
        tree_ = OverlaidTree({{live_ + "/etc", staged_ + "/etc"}});
    }
    void link(const std::string& target, const std::string& at) { ASSERT_EQ(::symlink(target.c_str(), at.c_str()), 0); }

    TestFolder folder_;
    std::string live_, staged_;
    OverlaidTree tree_;
};

TEST_F(OverlaidTreeTest, APartStandsInThePlaceOfTheLiveFolder) {
    EXPECT_EQ(tree_.place(live_ + "/etc/a"), staged_ + "/etc/a");
    EXPECT_EQ(tree_.place(live_ + "/etcetera"), live_ + "/etcetera");
    EXPECT_TRUE(tree_.look(live_ + "/etc/only-staged"));
    EXPECT_FALSE(tree_.look(live_ + "/etc/only-live"));
    EXPECT_TRUE(tree_.look(live_ + "/other"));
    EXPECT_EQ(tree_.names(live_ + "/etc"), (std::vector<std::string>{"a", "only-staged"}));
    EXPECT_EQ(OverlaidTree().names(live_ + "/etc"), (std::vector<std::string>{"a", "only-live"}));
    EXPECT_TRUE(tree_.names(live_ + "/nowhere").empty());
}

TEST_F(OverlaidTreeTest, AnAbsoluteLinkOfAPartLeadsIntoThePart) {
    link(live_ + "/etc/a", staged_ + "/etc/absolute");
    link("../etc/a", staged_ + "/etc/relative");
    link("../other", staged_ + "/etc/out");
    link(live_ + "/etc/only-live", staged_ + "/etc/dangling");
    EXPECT_EQ(tree_.resolve(live_ + "/etc/absolute"), live_ + "/etc/a");
    EXPECT_EQ(tree_.resolve(live_ + "/etc/relative"), live_ + "/etc/a");
    EXPECT_EQ(tree_.resolve(live_ + "/etc/out"), live_ + "/other");
    EXPECT_EQ(tree_.resolve(live_ + "/etc/dangling"), std::nullopt);
    EXPECT_EQ(tree_.resolve("/"), "/");
}

TEST_F(OverlaidTreeTest, LinksInACircleLeadNowhere) {
    link("two", live_ + "/one");
    link("one", live_ + "/two");
    EXPECT_EQ(tree_.resolve(live_ + "/one"), std::nullopt);
}

TEST_F(OverlaidTreeTest, APartMayStandWhereNothingIsYet) {
    const OverlaidTree tree({{live_ + "/new/deep/a", staged_ + "/etc/a"}});
    EXPECT_EQ(tree.resolve(live_ + "/new/deep/a"), live_ + "/new/deep/a");
    EXPECT_EQ(tree.names(live_ + "/new/deep"), std::vector<std::string>{"a"});
    EXPECT_EQ(tree.resolve(live_ + "/new/deep/b"), std::nullopt);
}

TEST_F(OverlaidTreeTest, TheFolderOfAPartMayBeReachedThroughALink) {
    link("live", folder_ / "alias");
    const OverlaidTree tree({{folder_ / "alias/etc", staged_ + "/etc"}});
    EXPECT_EQ(tree.parts().front().live, with_real_folder(live_ + "/etc"));
    EXPECT_EQ(get(tree.place(*tree.resolve(folder_ / "alias/etc/a"))), "staged a");
}

}  // namespace
}  // namespace ingot
