#include "drivers/tree_walk.h"

#include <sys/socket.h>
#include <sys/un.h>

#include "base/metadata.h"
#include "tests/drivers/test_folder.h"

namespace ingot {
namespace {

struct Walked {
    std::vector<TreeRecord> records;
    TreeTotals totals;
    std::vector<std::string> notes;

    std::vector<std::string> paths() const {
        std::vector<std::string> out;
        for (const TreeRecord& record : records) out.push_back(record.entry.path);
        return out;
    }
};

class TreeWalkTest : public testing::Test {
protected:
    SourceSpec spec(std::vector<std::string> paths) const {
        SourceSpec out;
        out.name = "s";
        out.root = root_;
        out.paths = std::move(paths);
        return out;
    }

    Walked walk(const SourceSpec& source) const {
        const TreeRules rules = TreeRules::from(source);
        Spool spool(scratch_.path());
        Spool folders(scratch_.path());
        TreeWalk walked = walk_tree(rules, spool, folders);
        Walked out{{}, walked.totals, walked.notes.lines()};
        TreeRecordReader reader(spool);
        while (auto record = reader.next()) out.records.push_back(std::move(*record));
        return out;
    }

    TestFolder scratch_;
    std::string root_ = scratch_.folder("stack");
};

TEST_F(TreeWalkTest, FindsEverythingInListingOrder) {
    put(root_ + "/a/x", "1");
    put(root_ + "/a.b", "22");
    put(root_ + "/a/sub/deep", "");
    put(root_ + "/c\nd \xff", "333");
    const Walked walked = walk(spec({"."}));
    EXPECT_EQ(walked.paths(), (std::vector<std::string>{root_, root_ + "/a", root_ + "/a/sub", root_ + "/a/sub/deep",
                                                        root_ + "/a/x", root_ + "/a.b", root_ + "/c\nd \xff"}));
    EXPECT_EQ(walked.totals.files, 4u);
    EXPECT_EQ(walked.totals.directories, 3u);
    EXPECT_EQ(walked.totals.bytes, 6u);
}

TEST_F(TreeWalkTest, RootsAreListedRelativeToTheStackAndOthersAbsolute) {
    put(root_ + "/m/x", "1");
    put(scratch_ / "outside/y", "2");
    const Walked walked = walk(spec({"m", "../outside"}));
    EXPECT_EQ(walked.paths(), (std::vector<std::string>{scratch_ / "outside", scratch_ / "outside/y", "m", "m/x"}));
}

TEST_F(TreeWalkTest, ExcludedFoldersAreNotEvenOpened) {
    put(root_ + "/m/keep", "1");
    put(root_ + "/m/a.tmp", "1");
    put(root_ + "/m/cache/x", "1");
    put(root_ + "/m/sub/cache2/x", "1");
    SourceSpec source = spec({"m"});
    source.exclude = {"*.tmp", "cache", root_ + "/m/sub/*"};
    EXPECT_EQ(walk(source).paths(), (std::vector<std::string>{"m", "m/keep", "m/sub"}));
    const TreeRules rules = TreeRules::from(source);
    EXPECT_TRUE(rules.excluded(root_ + "/m/cache/deep/x"));
    EXPECT_FALSE(rules.excluded(root_ + "/m/keep"));
}

TEST_F(TreeWalkTest, ARootIsNeverExcludedByANameAboveIt) {
    put(root_ + "/tmp/m/x", "1");
    SourceSpec source = spec({"tmp/m"});
    source.exclude = {"tmp"};
    EXPECT_EQ(walk(source).paths(), (std::vector<std::string>{"tmp/m", "tmp/m/x"}));
    EXPECT_FALSE(TreeRules::from(source).excluded(root_ + "/tmp/m/x"));
}

TEST_F(TreeWalkTest, ADeclaredPathThatIsExcludedIsAUsageError) {
    SourceSpec source = spec({"m", "m/cache"});
    source.exclude = {"cache"};
    EXPECT_EQ(error_of([&] { TreeRules::from(source); }).code(), Code::usage);
    source.exclude = {""};
    EXPECT_EQ(error_of([&] { TreeRules::from(source); }).code(), Code::usage);
}

TEST_F(TreeWalkTest, OtherNamesOfAFileAreHardLinksToTheFirst) {
    put(root_ + "/m/b", "data");
    ASSERT_EQ(::link((root_ + "/m/b").c_str(), (root_ + "/m/a").c_str()), 0);
    ASSERT_EQ(::link((root_ + "/m/b").c_str(), (root_ + "/m/z").c_str()), 0);
    ASSERT_EQ(::link((root_ + "/m/b").c_str(), (root_ + "/elsewhere").c_str()), 0);
    const Walked walked = walk(spec({"m"}));
    ASSERT_EQ(walked.paths(), (std::vector<std::string>{"m", "m/a", "m/b", "m/z"}));
    EXPECT_EQ(walked.records[1].entry.type, EntryType::file);
    EXPECT_EQ(walked.records[2].entry.type, EntryType::hard_link);
    EXPECT_EQ(walked.records[2].entry.link, "m/a");
    EXPECT_EQ(walked.records[3].entry.link, "m/a");
    EXPECT_EQ(walked.totals.bytes, 4u);
}

TEST_F(TreeWalkTest, SymlinksAreRecordedAndNeverFollowed) {
    put(scratch_ / "secret/x", "1");
    put(root_ + "/m/x", "1");
    ASSERT_EQ(::symlink("../../secret", (root_ + "/m/out").c_str()), 0);
    ASSERT_EQ(::symlink("nowhere", (root_ + "/m/dangling").c_str()), 0);
    ASSERT_EQ(::symlink("m", (root_ + "/link").c_str()), 0);
    const Walked walked = walk(spec({"m", "link"}));
    EXPECT_EQ(walked.paths(), (std::vector<std::string>{"link", "m", "m/dangling", "m/out", "m/x"}));
    EXPECT_EQ(walked.records[0].entry.type, EntryType::symlink);
    EXPECT_EQ(walked.records[0].entry.link, "m");
    EXPECT_EQ(walked.records[3].entry.link, "../../secret");
    ASSERT_EQ(walked.notes.size(), 1u);  // only a root that is a symlink needs a word
    EXPECT_NE(walked.notes[0].find("link is a symlink to m"), std::string::npos);
}

TEST_F(TreeWalkTest, SocketsAreNotedAndFifosRecorded) {
    make_dirs(real_filesystem(), root_ + "/m", 0755);
    ASSERT_EQ(::mkfifo((root_ + "/m/fifo").c_str(), 0600), 0);
    const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::snprintf(address.sun_path, sizeof address.sun_path, "%s/m/sock", root_.c_str());
    ASSERT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    ::close(fd);
    const Walked walked = walk(spec({"m"}));
    EXPECT_EQ(walked.paths(), (std::vector<std::string>{"m", "m/fifo"}));
    EXPECT_EQ(walked.records[1].entry.type, EntryType::fifo);
    ASSERT_EQ(walked.notes.size(), 1u);
    EXPECT_NE(walked.notes[0].find("m/sock is a socket"), std::string::npos);
}

TEST_F(TreeWalkTest, SparseFilesAreSeen) {
    put(root_ + "/m/holes", "");
    ASSERT_EQ(::truncate((root_ + "/m/holes").c_str(), 1 << 20), 0);
    put(root_ + "/m/plain", std::string(8192, 'x'));
    const Walked walked = walk(spec({"m"}));
    EXPECT_TRUE(walked.records[1].entry.sparse);
    EXPECT_EQ(walked.records[1].entry.size, 1u << 20);
    EXPECT_FALSE(walked.records[2].entry.sparse);
}

TEST_F(TreeWalkTest, ATreeDeeperThanTheOpenDescriptorsIsWalkedWhole) {
    std::string deep = root_ + "/m";
    for (int i = 0; i < 200; ++i) deep += "/d";
    put(deep + "/bottom", "x");
    std::string side = root_ + "/m";
    for (int i = 0; i < 100; ++i) {
        side += "/d";
        put(side + "/z", "x");  // after the folder, on the way back up
    }
    const Walked walked = walk(spec({"m"}));
    EXPECT_EQ(walked.totals.files, 101u);
    EXPECT_EQ(walked.totals.directories, 201u);
    const auto paths = walked.paths();
    EXPECT_TRUE(std::is_sorted(paths.begin(), paths.end(), listing_less));
}

TEST_F(TreeWalkTest, AMissingRootIsASourceError) {
    EXPECT_EQ(error_of([&] { walk(spec({"gone"})); }).code(), Code::source);
}

TEST_F(TreeWalkTest, ManySocketsGiveTwentyNotesAndACount) {
    Notes notes;
    for (int i = 0; i < 25; ++i) notes.add("line");
    ASSERT_EQ(notes.lines().size(), 21u);
    EXPECT_EQ(notes.lines().back(), "... and 5 more of this kind");
}

TEST_F(TreeWalkTest, FoldersThatChangedAfterTheyWereReadAreFound) {
    put(root_ + "/m/a/x", "1");
    put(root_ + "/m/b/x", "1");
    const TreeRules rules = TreeRules::from(spec({"m"}));
    Spool entries(scratch_.path()), folders(scratch_.path());
    const int64_t began = wall_now_ns();
    walk_tree(rules, entries, folders);
    EXPECT_TRUE(changed_folders(rules, folders, began).empty());
    put(root_ + "/m/b/y", "1");
    EXPECT_EQ(changed_folders(rules, folders, began), std::vector<std::string>{"m/b"});
}

}  // namespace
}  // namespace ingot
