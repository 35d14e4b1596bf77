// What a folder owes beyond the contract of all stores (blob_store_test.cc): the order of its calls, and its errors.
#include "store/directory_store.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <map>

#include "tests/store/code_of.h"
#include "tests/store/lossy_filesystem.h"
#include "tests/support/memory_feed.h"
#include "tests/support/temp_dir.h"

namespace ingot {
namespace {

using test::Call;
using test::LossyFileSystem;
using test::noise;

class DirectoryStoreTest : public ::testing::Test {
protected:
    test::TempDir dir_{test::fast_folder()};
    LossyFileSystem fs_;
    DirectoryStore store_{fs_, dir_.path()};
};

TEST_F(DirectoryStoreTest, SyncsThenRenamesThenSyncsTheFolder) {
    store_.put_new("packs/ab/zero", noise(10, 1));
    fs_.forget_calls();
    store_.put_new("packs/ab/one", noise(10, 1));
    EXPECT_EQ(fs_.calls(), (std::vector<Call>{Call::create, Call::write, Call::sync, Call::rename, Call::sync_dir}));
}

TEST_F(DirectoryStoreTest, MakesANewFolderDurableBeforeWhatLiesInIt) {
    store_.put_new("config", noise(10, 1));
    fs_.forget_calls();
    store_.put_new("heads/w/1", noise(10, 1));
    EXPECT_EQ(fs_.calls(), (std::vector<Call>{Call::create, Call::write, Call::sync, Call::make_dir, Call::sync_dir,
                                              Call::make_dir, Call::sync_dir, Call::rename, Call::sync_dir}));
}

TEST_F(DirectoryStoreTest, IsForItsOwnerAlone) {
    store_.put_new("packs/ab/one", noise(10, 1));
    struct stat st {};
    ASSERT_EQ(::stat((dir_ / "packs/ab/one").c_str(), &st), 0);
    EXPECT_EQ(st.st_mode & 0777, 0600U);
    ASSERT_EQ(::stat((dir_ / "packs").c_str(), &st), 0);
    EXPECT_EQ(st.st_mode & 0777, 0700U);
}

// Somebody's FIFO or link among the packs: listed by name, so that check can tell it, and neither followed for ever nor waited
// for.
TEST_F(DirectoryStoreTest, ListsWhatIsNoFileByNameAndDoesNotOpenIt) {
    store_.put_new("packs/ab/one", noise(10, 1));
    ASSERT_EQ(::mkfifo((dir_ / "packs/fifo").c_str(), 0600), 0);
    ASSERT_EQ(::mkfifo((dir_ / "packs/ab/fifo").c_str(), 0600), 0);
    ASSERT_EQ(::symlink("itself", (dir_ / "packs/itself").c_str()), 0);
    ASSERT_EQ(::symlink("../packs", (dir_ / "packs/round").c_str()), 0);
    ASSERT_EQ(::symlink("nowhere", (dir_ / "packs/ab/dangling").c_str()), 0);
    ASSERT_EQ(::symlink("one", (dir_ / "packs/ab/link").c_str()), 0);
    std::map<std::string, uint64_t> listed;
    store_.list("packs", [&](const std::string& name, uint64_t size) { EXPECT_TRUE(listed.emplace(name, size).second) << name; });
    for (const char* name : {"packs/fifo", "packs/ab/fifo", "packs/itself", "packs/ab/dangling"}) {
        ASSERT_TRUE(listed.contains(name)) << name;
        EXPECT_EQ(listed[name], 0U);
    }
    EXPECT_EQ(listed["packs/ab/one"], 10U);
    EXPECT_EQ(listed["packs/ab/link"], 10U) << "a link to a file is one";
    EXPECT_TRUE(listed.contains("packs/round/ab")) << "followed once, then named";
    // one, fifo, dangling and link; fifo, itself; round's ab, fifo, itself and round.
    EXPECT_EQ(listed.size(), 10U) << "and not round and round";
    EXPECT_EQ(code_of([&] { store_.open("packs/ab/fifo"); }), Code::damaged);
    EXPECT_EQ(code_of([&] { store_.get("packs/fifo", 100); }), Code::damaged);
    EXPECT_EQ(code_of([&] { store_.get("packs/ab", 100); }), Code::damaged);
}

// restic #4612: a folder that cannot be read must never look like one that is empty.
TEST_F(DirectoryStoreTest, AnErrorIsNeverAnEmptyListing) {
    store_.put_new("packs/ab/one", noise(10, 1));
    store_.put_new("packs/cd/two", noise(10, 1));
    for (uint64_t nth = 1; nth <= 3; ++nth) {
        fs_.fail(Call::list, nth, false);
        EXPECT_EQ(code_of([&] { store_.list("packs", [](const std::string&, uint64_t) {}); }), Code::failed) << nth;
    }
    fs_.mend();
    size_t count = 0;
    store_.list("packs", [&](const std::string&, uint64_t) { ++count; });
    EXPECT_EQ(count, 2U);
}

TEST_F(DirectoryStoreTest, AWriteThatFailedLeavesNoNameAndSaysWhy) {
    store_.put_new("packs/ab/zero", noise(10, 1));
    for (const Call call : {Call::create, Call::write, Call::sync, Call::rename}) {
        fs_.fail(call, 1, false, ENOSPC);
        std::string message;
        EXPECT_EQ(code_of([&] { store_.put_new("packs/ab/one", noise(10, 1)); }, &message), Code::failed);
        EXPECT_NE(message.find("free some space"), std::string::npos) << message;
        EXPECT_EQ(store_.size_of("packs/ab/one"), std::nullopt);
    }
    fs_.mend();
    EXPECT_TRUE(store_.put_new("packs/ab/one", noise(10, 1)));
}

// A failed sync is never tried again: the kernel may have dropped the pages and called them clean.
TEST_F(DirectoryStoreTest, AWriterThatFailedToSyncRefusesToPublish) {
    const auto writer = store_.begin();
    writer->append(noise(10, 1));
    fs_.fail(Call::sync, 1, false);
    EXPECT_EQ(code_of([&] { writer->sync(); }), Code::failed);
    fs_.mend();
    EXPECT_EQ(code_of([&] { writer->publish("packs/ab/one"); }), Code::failed);
    EXPECT_EQ(store_.size_of("packs/ab/one"), std::nullopt);
}

}  // namespace
}  // namespace ingot
