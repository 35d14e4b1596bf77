#include "restore/tree_compare.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/error.h"
#include "restore/tree_swap.h"
#include "tests/restore/tree_scene.h"

namespace ingot::test {
namespace {

TEST(TreeCompare, LeavesExcludedPathsAndSocketsWhereTheyAre) {
    Scene scene;
    std::filesystem::create_directories(scene.live + "/run/sub");
    write_file(scene.live + "/run/sub/cache.tmp", "excluded");
    write_file(scene.live + "/run/sub/gone", "moved aside");
    write_file(scene.live + "/top.tmp", "excluded");
    const int socket = ::socket(AF_UNIX, SOCK_STREAM, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::snprintf(address.sun_path, sizeof address.sun_path, "%s/app.sock", scene.live.c_str());
    ASSERT_EQ(::bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    ::close(socket);
    scene.excluded = {"data/run/sub/cache.tmp", "data/top.tmp"};
    scene.take();
    const TreeState old = state_of(scene.live, true);
    scene.stage();
    TreeSwap(real_filesystem(), scene.plan()).swap();
    EXPECT_EQ(read_whole(scene.live + "/run/sub/cache.tmp"), "excluded");
    EXPECT_FALSE(std::filesystem::exists(scene.live + "/run/sub/gone"));
    EXPECT_TRUE(std::filesystem::is_socket(scene.live + "/app.sock"));
    EXPECT_EQ(read_whole(scene.live + "/top.tmp"), "excluded");
    TreeSwap(real_filesystem(), scene.plan()).undo();
    scene.clean();
    EXPECT_EQ(difference(state_of(scene.live, true), old), "");
}

TEST(TreeCompare, RefusesALivePathThatIsReachedThroughASymlink) {
    Scene scene;
    write_file(scene.wanted + "/a", "new");
    scene.take();
    std::filesystem::rename(scene.live, scene.dir / "elsewhere");
    std::filesystem::create_symlink(scene.dir / "elsewhere", scene.dir / "stack/way");
    CompareInput input;
    input.roots = {{"data", scene.dir / "stack", "way/data"}};
    input.listing = replay(scene.listing);
    input.excluded = input.foreign = [](const std::string&) { return false; };
    input.spool_dir = scene.dir.path();
    try {
        (void)compare_tree(input, scene.content, real_filesystem());
        FAIL() << "compared";
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), Code::failed);
        EXPECT_NE(std::string(error.what()).find("is reached through the symlink " + (scene.dir / "stack/way")),
                  std::string::npos)
            << error.what();
    }
}

TEST(TreeCompare, RefusesHostileListings) {
    const std::vector<std::pair<std::string, EntryType>> hostile = {
        {"data/..", EntryType::file},     {"data/../../x", EntryType::file}, {"data/./x", EntryType::file},
        {"data//x", EntryType::file},     {"data/deep/x", EntryType::file},  {std::string("data/a\0b", 8), EntryType::file},
        {"data/no", EntryType::hard_link}};
    for (const auto& [path, type] : hostile) {
        Scene scene;
        scene.take();
        ListedEntry listed;
        listed.entry.path = path;
        listed.entry.type = type;
        listed.entry.link = "../../etc/passwd";
        scene.listing.push_back(listed);
        try {
            scene.stage();
            FAIL() << "staged " << printable(path);
        } catch (const Error& error) {
            EXPECT_EQ(error.code(), Code::damaged) << error.what();
        }
        EXPECT_TRUE(std::filesystem::is_empty(scene.live)) << printable(path);
        scene.clean();
    }
}

TEST(TreeCompare, RefusesAListingThatPutsAChildBelowASymlink) {
    Scene scene;
    scene.take();
    ListedEntry link, child;
    link.entry.path = "data/way";
    link.entry.type = EntryType::symlink;
    link.entry.link = scene.dir.path();
    child.entry.path = "data/way/child";
    scene.listing.insert(scene.listing.end(), {link, child});
    try {
        scene.stage();
        FAIL() << "staged";
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), Code::damaged) << error.what();
    }
    EXPECT_FALSE(std::filesystem::exists(scene.dir / "child"));
    scene.clean();
}

}  // namespace
}  // namespace ingot::test
