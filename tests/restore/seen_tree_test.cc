#include "restore/seen_tree.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "base/error.h"
#include "tests/restore/tree_scene.h"

namespace ingot::test {
namespace {

// A live tree that is what the snapshot holds, but for one file.
class SeenTrees : public testing::Test {
protected:
    SeenTrees() {
        std::filesystem::create_directories(scene_.live + "/deep");
        write_file(scene_.live + "/deep/same", "same");
        write_file(scene_.live + "/same", "same");
        std::filesystem::create_symlink("same", scene_.live + "/link");
        std::filesystem::remove_all(scene_.wanted);
        EXPECT_EQ(std::system(("cp -a '" + scene_.live + "' '" + scene_.wanted + "'").c_str()), 0);
        write_file(scene_.wanted + "/other", "the snapshot's");
        write_file(scene_.live + "/other", "the live one's");
        scene_.take();
        scene_.excluded = {"data/deep/cache"};
        draft_ = std::make_unique<TreeDraft>(scene_.compare());
        anchors_.emplace_back(scene_.dir / "stack");
    }
    // What looking again says; empty where nothing was changed.
    std::string found() {
        const auto excluded = [this](const std::string& path) {
            return std::ranges::find(scene_.excluded, path) != scene_.excluded.end();
        };
        try {
            draft_->seen.look_again(anchors_, LeftAlone(excluded, [](const std::string&) { return false; }));
        } catch (const Error& error) {
            EXPECT_EQ(error.code(), Code::failed);
            return error.what();
        }
        return {};
    }
    static std::string changed(const std::string& path) { return path + " was changed by someone else during the restore"; }

    Scene scene_;
    std::unique_ptr<TreeDraft> draft_;
    std::deque<Beneath> anchors_;
};

TEST_F(SeenTrees, HoldWhatStaysWhereItIs) {
    EXPECT_EQ(draft_->seen.size(), 5u);  // two folders, two files, a link; not the file that is replaced
    EXPECT_EQ(found(), "");
}

TEST_F(SeenTrees, NoticeAFileOfTheSameSizeAndTime) {
    const std::string path = scene_.live + "/deep/same";
    const auto time = std::filesystem::last_write_time(path);
    write_file(path, "else");
    std::filesystem::last_write_time(path, time);
    EXPECT_EQ(found(), changed(path));
}

TEST_F(SeenTrees, NoticeWhatIsGoneAndWhatIsNew) {
    std::filesystem::remove(scene_.live + "/link");
    EXPECT_EQ(found(), changed(scene_.live + "/link"));
    std::filesystem::create_symlink("same", scene_.live + "/link");
    EXPECT_EQ(found(), changed(scene_.live + "/link"));  // another one
}

TEST_F(SeenTrees, NoticeANameThatTheSnapshotDoesNotHold) {
    write_file(scene_.live + "/deep/new", "someone's");
    EXPECT_EQ(found(), changed(scene_.live + "/deep"));
}

TEST_F(SeenTrees, DoNotMindWhatARestoreLeavesAlone) {
    write_file(scene_.live + "/deep/cache", "excluded");
    std::filesystem::create_directory(scene_.live + "/.ingot-1-0");
    EXPECT_EQ(found(), "");
}

}  // namespace
}  // namespace ingot::test
