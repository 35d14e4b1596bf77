#include "drivers/sqlite_undo.h"

#include "sqlite_fixture.h"

namespace ingot {
namespace {

class SqliteUndoTest : public testing::Test {
protected:
    SqliteUndo undo() { return {real_filesystem(), scratch_ / "work", live_}; }

    TestFolder scratch_;
    std::string live_ = scratch_ / "live/app.db";
};

TEST_F(SqliteUndoTest, KeepsTheFilesRawAndPutsThemBack) {
    put(live_, "database");
    put(live_ + "-wal", "wal");
    put(live_ + "-shm", "index");
    ASSERT_EQ(::chmod(live_.c_str(), 0640), 0);
    SqliteUndo undo = this->undo();
    EXPECT_FALSE(undo.saved());
    undo.save();
    EXPECT_TRUE(undo.saved());
    EXPECT_FALSE(real_filesystem().exists(scratch_ / "work/saved-shm"));
    const SavedLive saved = this->undo().load();
    EXPECT_TRUE(saved.files[0].existed && saved.files[1].existed && !saved.files[2].existed);
    EXPECT_EQ(saved.files[0].size, 8u);
    put(live_, "other");
    put(live_ + "-wal", "other wal");
    put(live_ + "-journal", "other journal");
    for (int again = 0; again < 2; ++again) {
        undo.put_raw_back(saved);
        EXPECT_EQ(get(live_), "database");
        EXPECT_EQ(get(live_ + "-wal"), "wal");
        EXPECT_FALSE(real_filesystem().exists(live_ + "-journal"));
        EXPECT_FALSE(real_filesystem().exists(live_ + "-shm"));
        EXPECT_EQ(metadata_of(live_).mode, 0640u);
    }
}

TEST_F(SqliteUndoTest, WhatWasNotThereIsTakenAwayAgainWithTheFoldersMadeForIt) {
    SqliteUndo undo = this->undo();
    undo.save();
    EXPECT_FALSE(undo.load().files[0].existed);
    EXPECT_EQ(undo.load().folder, scratch_.path());
    put(scratch_ / "new", "content");
    undo.put_file(scratch_ / "new", metadata_of(scratch_ / "new"), false);
    EXPECT_EQ(get(live_), "content");
    undo.take_live_away("new");
    EXPECT_FALSE(real_filesystem().exists(scratch_ / "live"));
    undo.take_live_away("new");
}

TEST_F(SqliteUndoTest, AnUndoFileOrACopyThatWasCutShortIsDamaged) {
    put(live_, "database");
    SqliteUndo undo = this->undo();
    undo.save();
    put(scratch_ / "work/saved", "data");
    EXPECT_EQ(error_of([&] { undo.load(); }).code(), Code::damaged);
    put(scratch_ / "work/undo", get(scratch_ / "work/undo").substr(0, 25));
    EXPECT_EQ(error_of([&] { undo.load(); }).code(), Code::damaged);
}

TEST_F(SqliteUndoTest, ASaveThatDiedLeavesNothingAfterDrop) {
    put(scratch_ / "work/saved", "half");
    SqliteUndo undo = this->undo();
    undo.drop_partial();
    EXPECT_FALSE(real_filesystem().exists(scratch_ / "work/saved"));
}

TEST_F(SqliteUndoTest, AFileThatKeepsChangingIsNotSaved) {
    put(live_, std::string(64 << 20, 'x'));  // copying it takes longer than a busy machine keeps the writer from running
    std::atomic<int> changes = 0;
    std::jthread writer([&](std::stop_token stop) {
        for (; !stop.stop_requested(); ++changes) append(live_, "y");
    });
    while (changes == 0) std::this_thread::yield();
    SqliteUndo undo = this->undo();
    EXPECT_EQ(error_of([&] { undo.save(); }).code(), Code::failed);
    EXPECT_FALSE(undo.saved());
}

}  // namespace
}  // namespace ingot
