#include "drivers/sqlite_target.h"

#include <sys/mount.h>

#include "base/metadata.h"
#include "base/step.h"
#include "sqlite_fixture.h"

namespace ingot {
namespace {

class SqliteTargetTest : public testing::Test {
protected:
    SqliteTargetTest() {
        make_database(scratch_ / "staged/app.db", "wal", 300);
        App(scratch_ / "staged/app.db").run(set_version(1));
        wanted_ = content_of(scratch_ / "staged/app.db");
    }

    std::unique_ptr<EngineTarget> target(int64_t deadline_ms = 1000) {
        TargetSpec spec;
        spec.fs = &real_filesystem();
        spec.staged_dir = scratch_ / "staged";
        spec.work_dir = scratch_ / "work";
        spec.deadline_ms = deadline_ms;
        return make_sqlite_target(spec, {.listing_path = "app.db", .live_path = live_});
    }

    TestFolder scratch_;
    std::string live_ = scratch_ / "live/app.db";
    std::string wanted_;
};

class SqliteTargetModesTest : public SqliteTargetTest, public testing::WithParamInterface<const char*> {};
INSTANTIATE_TEST_SUITE_P(Modes, SqliteTargetModesTest, testing::Values("wal", "delete"));

TEST_P(SqliteTargetModesTest, PutsTheSnapshotIntoTheLiveFileAndTakesItBack) {
    make_database(live_, GetParam(), 50);
    ASSERT_EQ(::chmod(live_.c_str(), 0600), 0);
    const std::string before = content_of(live_);
    const ino_t inode = stat_of(live_).st_ino;
    App reader(live_);
    target()->preflight();
    target()->prepare_undo();
    target()->swap();
    EXPECT_EQ(content_of(live_), wanted_);
    EXPECT_EQ(reader.value("SELECT count(*) FROM chunks"), "300|");
    target()->swap();
    EXPECT_EQ(content_of(live_), wanted_);
    EXPECT_EQ(stat_of(live_).st_ino, inode);
    EXPECT_EQ(metadata_of(live_).mode, 0600u);
    for (int again = 0; again < 2; ++again) {
        target()->undo();
        EXPECT_EQ(content_of(live_), before);
    }
    EXPECT_EQ(reader.value("SELECT count(*) FROM chunks"), "50|");
}

TEST_F(SqliteTargetTest, CommitsThatAreOnlyInTheWalComeBackWithUndo) {
    make_database(live_, "wal", 50);
    ASSERT_TRUE(killed([&] {
        App app(live_);
        app.run(set_version(6));
        ::kill(::getpid(), SIGKILL);
    }));
    target()->prepare_undo();
    target()->swap();
    EXPECT_EQ(content_of(live_), wanted_);
    target()->undo();
    EXPECT_TRUE(content_of(live_).starts_with("50|6|6|"));
}

TEST_F(SqliteTargetTest, AMissingDatabaseIsPutInPlaceWithTheSnapshotsModeAndTakenAwayAgain) {
    ASSERT_EQ(::chmod((scratch_ / "staged/app.db").c_str(), 0640), 0);
    make_dirs(real_filesystem(), scratch_ / "live", 0755);
    put(live_ + "-wal", "stale");  // beside no database
    target()->preflight();
    target()->prepare_undo();
    target()->swap();
    EXPECT_EQ(metadata_of(live_).mode, 0640u);
    EXPECT_EQ(content_of(live_), wanted_);
    target()->undo();
    EXPECT_FALSE(real_filesystem().exists(live_));
    EXPECT_EQ(get(live_ + "-wal"), "stale");
}

TEST_F(SqliteTargetTest, AMissingFolderIsMade) {
    target()->preflight();
    target()->prepare_undo();
    target()->swap();
    EXPECT_EQ(content_of(live_), wanted_);
    for (const char* suffix : {"-wal", "-shm"}) std::remove((live_ + suffix).c_str());
    target()->undo();
    EXPECT_FALSE(real_filesystem().exists(scratch_ / "live"));
}

TEST_F(SqliteTargetTest, ABrokenDatabaseIsReplacedWithItsStaleWalAndComesBackByteForByte) {
    const std::string noise(9000, 'x');
    put(live_, noise);
    put(live_ + "-wal", "stale wal");
    put(live_ + "-journal", "stale journal");
    ASSERT_EQ(::chmod(live_.c_str(), 0604), 0);
    target()->preflight();
    target()->prepare_undo();
    target()->swap();
    EXPECT_EQ(content_of(live_), wanted_);
    EXPECT_EQ(metadata_of(live_).mode, 0604u);
    target()->undo();
    EXPECT_EQ(get(live_), noise);
    EXPECT_EQ(get(live_ + "-wal"), "stale wal");
    EXPECT_EQ(get(live_ + "-journal"), "stale journal");
    target()->swap();  // a second try after the undo
    EXPECT_EQ(content_of(live_), wanted_);
}

TEST_F(SqliteTargetTest, UndoWithoutASwapTouchesNothing) {
    make_database(live_, "wal", 50);
    target()->undo();
    target()->prepare_undo();
    App(live_).run(set_version(3));  // committed after the undo copy, before any swap
    target()->undo();
    EXPECT_TRUE(content_of(live_).starts_with("50|3|3|"));
}

TEST_F(SqliteTargetTest, ALockThatIsNotGivenUpIsAnErrorThatNamesIt) {
    make_database(live_, "wal", 50);
    App writer(live_);
    writer.run("BEGIN IMMEDIATE");
    target()->preflight();
    target()->prepare_undo();
    EXPECT_EQ(error_of([&] { target(100)->swap(); }).code(), Code::failed);
    writer.run("ROLLBACK");
    target()->undo();
    EXPECT_TRUE(content_of(live_).starts_with("50|0|0|"));
}

TEST_F(SqliteTargetTest, PreflightNamesWhatIsInTheWay) {
    make_dirs(real_filesystem(), live_, 0755);
    EXPECT_EQ(error_of([&] { target()->preflight(); }).code(), Code::failed);
    remove_tree(real_filesystem(), live_);
    ASSERT_EQ(::symlink("nowhere", live_.c_str()), 0);
    EXPECT_EQ(error_of([&] { target()->preflight(); }).code(), Code::failed);
    remove_tree(real_filesystem(), scratch_ / "live");
    put(scratch_ / "live", "a file where the folder should be");
    EXPECT_EQ(error_of([&] { target()->preflight(); }).code(), Code::failed);
}

TEST_F(SqliteTargetTest, ASingleFileBindMountIsRefusedWithTheReason) {
    make_database(live_, "delete", 5);
    put(scratch_ / "other", "");
    if (::mount(live_.c_str(), live_.c_str(), nullptr, MS_BIND, nullptr) != 0) GTEST_SKIP() << "may not mount";
    const Error error = error_of([&] { target()->preflight(); });
    ::umount2(live_.c_str(), MNT_DETACH);
    EXPECT_EQ(error.code(), Code::failed);
    EXPECT_NE(std::string(error.what()).find("mount point"), std::string::npos);
}

TEST_F(SqliteTargetTest, TooLittleSpaceAndReadOnlyFoldersAreFoundBeforeAnythingIsTouched) {
    const std::string small = scratch_.folder("live");
    if (::mount("none", small.c_str(), "tmpfs", 0, "size=600k") != 0) GTEST_SKIP() << "may not mount";
    put(live_, "");
    const Error full = error_of([&] { target()->preflight(); });
    EXPECT_EQ(::mount("none", small.c_str(), "tmpfs", MS_REMOUNT | MS_RDONLY, nullptr), 0);
    const Error read_only = error_of([&] { target()->preflight(); });
    ::umount2(small.c_str(), MNT_DETACH);
    EXPECT_EQ(full.code(), Code::failed);
    EXPECT_NE(std::string(full.what()).find("free where the restore needs"), std::string::npos) << full.what();
    EXPECT_EQ(read_only.code(), Code::failed);
    EXPECT_NE(read_only.hint().find("read-only"), std::string::npos) << read_only.what();
}

// Killed at each step and at many moments of the swap, undo gives back what was there, and swap can be run again.
const char* the_step = nullptr;
void die_at_step(const char* name) {
    if (std::string_view(name) == the_step) ::kill(::getpid(), SIGKILL);
}

TEST_P(SqliteTargetModesTest, KilledAtAnyStepUndoGivesTheOldStateAndSwapTheNew) {
    int kills = 0;
    for (const char* step :
         {"restore.sqlite.undo-saved", "restore.sqlite.swap-begun", "restore.sqlite.swapped", "restore.sqlite.undone"}) {
        for (const char* live : {"database", "missing", "broken"}) {
            remove_tree(real_filesystem(), scratch_ / "live");
            remove_tree(real_filesystem(), scratch_ / "work");
            make_dirs(real_filesystem(), scratch_ / "live", 0755);
            if (std::string(live) == "database") make_database(live_, GetParam(), 50);
            if (std::string(live) == "broken") put(live_, std::string(5000, 'x'));
            const std::string before = std::string(live) == "database" ? content_of(live_) : std::string();
            the_step = step;
            kills += killed([&] {
                set_step_listener(die_at_step);
                target()->prepare_undo();
                target()->swap();
                target()->undo();
            });
            if (std::string_view(step) == "restore.sqlite.swap-begun") target()->swap();
            target()->undo();
            if (std::string(live) == "database") {
                EXPECT_EQ(content_of(live_), before) << step;
            } else if (std::string(live) == "missing") {
                EXPECT_FALSE(real_filesystem().exists(live_)) << step;
            } else {
                EXPECT_EQ(get(live_), std::string(5000, 'x')) << step;
            }
            target()->prepare_undo();
            target()->swap();
            EXPECT_EQ(content_of(live_), wanted_) << step << " " << live;
        }
    }
    EXPECT_EQ(kills, 12);
}

TEST_P(SqliteTargetModesTest, KilledAtAnyMomentOfTheSwapUndoGivesTheOldState) {
    make_database(scratch_ / "staged/big.db", "wal", 20'000);
    real_filesystem().rename(scratch_ / "staged/big.db", scratch_ / "staged/app.db", Rename::replace);
    int kills = 0;
    for (int round = 0; round < 25; ++round) {
        remove_tree(real_filesystem(), scratch_ / "live");
        remove_tree(real_filesystem(), scratch_ / "work");
        make_database(live_, GetParam(), 2000);
        const std::string before = content_of(live_);
        target()->prepare_undo();
        const pid_t child = ::fork();
        if (child == 0) {
            target()->swap();
            ::_exit(0);
        }
        std::this_thread::sleep_for(std::chrono::microseconds(700 * round));
        ::kill(child, SIGKILL);
        int status = 0;
        ::waitpid(child, &status, 0);
        kills += WIFSIGNALED(status) ? 1 : 0;
        const std::string after = content_of(live_);
        EXPECT_TRUE(after == before || after.starts_with("20000|")) << after.substr(0, 30);
        target()->undo();
        EXPECT_EQ(content_of(live_), before) << "round " << round;
    }
    std::printf("killed in mid swap: %d of 25\n", kills);
    EXPECT_GT(kills, 0);
}

}  // namespace
}  // namespace ingot
