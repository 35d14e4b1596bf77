#include "snapshot/beneath.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "tests/base/temp_dir.h"

namespace ingot {
namespace {

struct Folder {
    TempDir dir;
    Folder() {
        std::filesystem::create_directories(dir.at("top/a/b"));
        dir.write("top/a/b/file", "bytes");
        dir.write("outside", "untouched");
        std::filesystem::create_symlink(dir.path(), dir.at("top/way"));
        std::filesystem::create_symlink(dir.at("outside"), dir.at("top/leaf"));
    }
    Beneath top() const { return Beneath(dir.at("top")); }
};

std::string error_of(const Beneath& top, const std::string& path) {
    try {
        (void)top.at(path);
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), Code::failed);
        return error.what();
    }
    return "no error";
}

TEST(Beneath, ReachesWhatLiesBelowItAndSaysWhatItIs) {
    Folder folder;
    const std::optional<LiveStat> file = folder.top().look("a/b/file");
    ASSERT_TRUE(file);
    EXPECT_TRUE(S_ISREG(file->type));
    EXPECT_EQ(file->size, 5u);
    EXPECT_EQ(file->links, 1u);
    EXPECT_FALSE(file->mount_root);
    EXPECT_TRUE(S_ISDIR(folder.top().look("")->type));
    EXPECT_FALSE(folder.top().look("a/none"));
    EXPECT_FALSE(folder.top().look("none/file"));
}

TEST(Beneath, NeverFollowsASymlinkOnTheWay) {
    Folder folder;
    EXPECT_EQ(error_of(folder.top(), "way/outside"), folder.dir.at("top/way/outside").substr(0, folder.dir.at("top/way").size()) +
                                                         " is reached through the symlink " + folder.dir.at("top/way"));
    EXPECT_NE(error_of(folder.top(), "way/top/a").find("through the symlink"), std::string::npos);
    EXPECT_NE(error_of(folder.top(), "a/b/file/x").find("file is not a folder"), std::string::npos);
}

TEST(Beneath, TakesASymlinkAtTheEndForWhatItIs) {
    Folder folder;
    EXPECT_TRUE(S_ISLNK(folder.top().look("leaf")->type));
    EXPECT_THROW((void)folder.top().inside("way"), Error);
}

TEST(Beneath, DoesNotLeaveByDots) {
    Folder folder;
    EXPECT_THROW((void)folder.top().at("../outside/x"), Error);
    EXPECT_THROW((void)folder.top().at("a/../../outside/x"), Error);
}

TEST(Beneath, FollowsLinksAboveItself) {
    Folder folder;
    const Beneath top(folder.dir.at("top/way/top"));
    EXPECT_TRUE(top.look("a/b/file"));
}

TEST(Reached, ErrorsSpeakOfThePathThatPeopleKnow) {
    Folder folder;
    const Beneath top = folder.top();
    const Reached reached = top.at("a/b/file");
    try {
        reached.run([](const std::string& path) { (void)real_filesystem().make_dir(path + "x/y", 0700); });
        FAIL();
    } catch (const Error& error) {
        EXPECT_NE(std::string(error.what()).find(folder.dir.at("top/a/b/filex/y")), std::string::npos) << error.what();
        EXPECT_EQ(std::string(error.what()).find("/proc"), std::string::npos);
    }
}

TEST(Reached, StaysRightWhenTheFolderIsExchangedForALinkMeanwhile) {
    Folder folder;
    const Beneath top = folder.top();
    const Reached reached = top.at("a/b/new");
    std::filesystem::rename(folder.dir.at("top/a/b"), folder.dir.at("top/moved"));
    std::filesystem::create_symlink(folder.dir.path(), folder.dir.at("top/a/b"));
    reached.run([](const std::string& path) { (void)real_filesystem().create(path, 0600); });
    EXPECT_TRUE(folder.dir.has("top/moved/new"));
    EXPECT_FALSE(folder.dir.has("new"));
}

}  // namespace
}  // namespace ingot
