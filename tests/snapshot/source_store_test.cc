#include "snapshot/source_store.h"

#include "tests/snapshot/snapshot_test_base.h"

namespace ingot {
namespace {

class Storing : public SnapshotTest {
protected:
    void store(SourceRun& run) {
        if (!session_) session_ = repository_->begin();
        run.pin = run.driver.pin();
        run.moment = run.pin->moment();
        store_ = std::make_unique<SourceStore>(*repository_, *session_, stack_, earlier_, progress_);
        store_->store(run);
    }

    FakeSource source_;
    FakeDriver driver_{source_, "db"};
    std::vector<Snapshot> earlier_;
    std::unique_ptr<WriteSession> session_;
    std::unique_ptr<SourceStore> store_;
};

TEST_F(Storing, FillsTheRecordAndReleasesThePin) {
    source_.add("a", "aaaa", "f");
    source_.notes = {"skipped a socket"};
    SourceRun run(driver_);
    store(run);
    EXPECT_FALSE(run.failed);
    EXPECT_TRUE(run.record.listing.has_value());
    EXPECT_EQ(run.record.bytes, 4u);
    EXPECT_EQ(run.record.notes, source_.notes);
    EXPECT_EQ(run.chunks, 1u);
    EXPECT_EQ(source_.live_pins, 0);
    EXPECT_EQ(store_->bytes_read(), 4u);
    EXPECT_EQ(store_->bytes_new(), 4u);
}

TEST_F(Storing, TheSessionGoesOnAfterASourceFailed) {
    source_.add("a", "aaaa").unreadable = true;
    SourceRun torn(driver_);
    store(torn);
    EXPECT_TRUE(torn.failed);
    EXPECT_FALSE(torn.record.listing.has_value());
    source_.add("a", "aaaa").unreadable = false;
    SourceRun whole(driver_);
    store(whole);
    EXPECT_FALSE(whole.failed);
    session_->commit();
}

TEST_F(Storing, NothingIsRememberedBeforeTheCommit) {
    source_.add("a", "aaaa", "f");
    SourceRun first(driver_), second(driver_), third(driver_);
    store(first);
    store(second);
    EXPECT_EQ(source_.read, (std::vector<std::string>{"a", "a"}));
    session_->commit();
    store_->publish_caches();
    session_.reset();
    store(third);
    EXPECT_EQ(source_.read, (std::vector<std::string>{"a", "a"}));
    EXPECT_EQ(third.record.listing, first.record.listing);
    EXPECT_EQ(third.record.bytes, 4u);
}

}  // namespace
}  // namespace ingot
