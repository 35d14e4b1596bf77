// What a folder owes beyond the contract of all stores (blob_store_test.cc): the order of its calls, and its errors.
#include "store/directory_store.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

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
