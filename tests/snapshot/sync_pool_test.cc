#include "snapshot/sync_pool.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "tests/base/temp_dir.h"
#include "tests/support/faulty_filesystem.h"

namespace ingot {
namespace {

TEST(SyncPool, SyncsEveryFileBeforeItIsFinished) {
    TempDir dir;
    test::FaultyFileSystem fs;
    SyncPool pool;
    for (int round = 0; round < 2; ++round) {
        for (int i = 0; i < 300; ++i) pool.add(fs.create(dir.at(std::to_string(round * 300 + i)), 0600), dir.path());
        pool.finish();
        EXPECT_EQ(fs.calls(test::Call::sync), 300u * static_cast<unsigned>(round + 1));
    }
}

TEST(SyncPool, ThrowsTheFirstFailureWhicheverFileItWas) {
    for (const uint64_t nth : {1, 150, 300}) {
        TempDir dir;
        test::FaultyFileSystem fs;
        fs.fail(test::Call::sync, nth, false);
        SyncPool pool;
        try {
            for (int i = 0; i < 300; ++i) pool.add(fs.create(dir.at(std::to_string(i)), 0600), dir.path());
            pool.finish();
            ADD_FAILURE() << nth;
        } catch (const Error& error) {
            EXPECT_EQ(error.code(), Code::failed);
        }
        EXPECT_THROW(pool.finish(), Error);  // it is not forgotten
    }
}

TEST(SyncPool, EndsWithFilesStillWaiting) {
    TempDir dir;
    SyncPool pool;
    for (int i = 0; i < 20; ++i) pool.add(real_filesystem().create(dir.at(std::to_string(i)), 0600), dir.path());
}

}  // namespace
}  // namespace ingot
