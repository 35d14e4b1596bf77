#include "drivers/sqlite_fingerprint.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <map>
#include <set>

#include "drivers/sqlite.h"
#include "sqlite_fixture.h"

namespace ingot {
namespace {

class SqliteFingerprint : public testing::TestWithParam<const char*> {
protected:
    // A fingerprint is given only once the files are older than a tick of their times, which no test can set: so it waits.
    static void settle() { std::this_thread::sleep_for(std::chrono::milliseconds(70)); }

    struct Pinned {
        Bytes fingerprint;
        std::string content;
    };
    // What one snapshot would see.
    Pinned pinned(bool read = false) const {
        SourceSpec spec;
        spec.name = "db";
        spec.root = root_;
        spec.paths = {"app.db"};
        spec.spool_dir = scratch_.path();
        SqliteDriver driver(spec);
        driver.prepare();
        const auto pin = driver.pin();
        const auto entry = pin->next();
        Pinned out{entry->fingerprint, ""};
        if (read) out.content = content_of_bytes(scratch_, read_all(*pin->open(*entry)));
        return out;
    }
    Bytes fingerprint() const { return pinned().fingerprint; }
    Bytes settled_fingerprint() const {
        settle();
        return fingerprint();
    }

    TestFolder scratch_;
    std::string root_ = scratch_.folder("stack");
    std::string db_ = root_ + "/app.db";
};

INSTANTIATE_TEST_SUITE_P(Modes, SqliteFingerprint, testing::Values("wal", "delete", "truncate", "persist"));

TEST_P(SqliteFingerprint, StaysWhileNothingIsWritten) {
    make_database(db_, GetParam(), 200);
    const Bytes closed = settled_fingerprint();
    ASSERT_FALSE(closed.empty());
    EXPECT_EQ(fingerprint(), closed);
    App reader(db_);
    EXPECT_EQ(reader.value("SELECT count(*) FROM chunks"), "200|");
    EXPECT_EQ(fingerprint(), closed);
    pinned(true);
    EXPECT_EQ(fingerprint(), closed);
}

TEST_P(SqliteFingerprint, ChangesWithOneCommittedRowAndIsNoneRightAfterIt) {
    make_database(db_, GetParam(), 200);
    std::set<Bytes> seen{settled_fingerprint()};
    {
        App app(db_);
        for (int row = 1; row <= 3; ++row) {
            app.run("UPDATE chunks SET version = 1 WHERE id = " + std::to_string(row));
            EXPECT_TRUE(fingerprint().empty());
            const Bytes after = settled_fingerprint();
            EXPECT_FALSE(after.empty());
            EXPECT_TRUE(seen.insert(after).second) << row;
            EXPECT_EQ(fingerprint(), after);
        }
    }
    const Bytes closed = settled_fingerprint();  // in WAL mode the close folded the WAL in
    EXPECT_FALSE(closed.empty());
    EXPECT_EQ(fingerprint(), closed);
}

TEST_P(SqliteFingerprint, ATransactionThatIsNotCommittedOrIsTakenBackChangesNoContent) {
    make_database(db_, GetParam(), 200);
    App app(db_);
    app.run(set_version(1));
    const Pinned before = (settle(), pinned(true));
    app.run("BEGIN IMMEDIATE; UPDATE chunks SET version = 9");
    EXPECT_EQ(pinned(true).content, before.content);
    app.run("ROLLBACK");
    EXPECT_EQ(pinned(true).content, before.content);
    EXPECT_FALSE(settled_fingerprint().empty());
}

TEST_P(SqliteFingerprint, IsNoneWhereSomethingWasWrittenBetweenTheLooks) {
    make_database(db_, GetParam(), 200);
    settle();
    App app(db_);
    app.value("SELECT count(*) FROM chunks");
    const bool wal = std::string(GetParam()) == "wal";
    const SqliteLook before = look_at(db_);
    EXPECT_FALSE(sqlite_fingerprint(before, look_at(db_), wal, 4096, 1 << 20).empty());
    app.run("UPDATE chunks SET version = 1 WHERE id = 1");
    const SqliteLook after = look_at(db_);
    EXPECT_TRUE(before.steady && after.steady);
    EXPECT_FALSE(before.same_state(after));
    EXPECT_TRUE(sqlite_fingerprint(before, after, wal, 4096, 1 << 20).empty());
}

TEST_F(SqliteFingerprint, InWalModeEveryPlaceOfACommitCounts) {
    make_database(db_, "wal", 200);
    App app(db_);
    app.run("PRAGMA wal_autocheckpoint = 0");
    std::map<Bytes, std::string> content_of_fingerprint;
    int changes = 0;
    const auto look = [&](const char* what) {
        settle();
        const Pinned now = pinned(true);
        ASSERT_FALSE(now.fingerprint.empty()) << what;
        const auto [known, fresh] = content_of_fingerprint.emplace(now.fingerprint, now.content);
        EXPECT_EQ(known->second, now.content) << what;
        changes += fresh ? 1 : 0;
    };
    look("at rest");
    const auto write = [&](const char* what) {
        const int before = changes;
        app.run("UPDATE chunks SET version = version + 1 WHERE id = 7");
        look(what);
        EXPECT_EQ(changes, before + 1) << what;
    };
    write("appended");
    write("appended again");
    app.value("PRAGMA wal_checkpoint(PASSIVE)");
    look("checkpointed");
    write("the WAL begins anew");
    app.value("PRAGMA wal_checkpoint(TRUNCATE)");
    look("truncated");
    write("into an empty WAL");
    app.value("PRAGMA wal_checkpoint(RESTART)");
    look("restarted");
    write("over old frames");
    std::printf("%d fingerprints of %d states, none of two contents\n", static_cast<int>(content_of_fingerprint.size()), changes);
}

// A writer appends to the WAL, syncs it for a while, and only then publishes the commit in the wal-index: two contents under the
// same files with the same times.
TEST_F(SqliteFingerprint, TellsAWriterThatHasWrittenItsFramesFromOneThatPublishedThem) {
    make_database(db_, "wal", 200);
    App app(db_);
    app.run("PRAGMA wal_autocheckpoint = 0");
    app.run("UPDATE chunks SET version = 1 WHERE id = 1");
    const int shm = ::open((db_ + "-shm").c_str(), O_RDWR | O_CLOEXEC);  // stays open: closing it would drop the locks
    std::array<char, 96> unpublished{}, published{};
    ASSERT_EQ(::pread(shm, unpublished.data(), 96, 0), 96);
    app.run("UPDATE meta SET version = 2");
    ASSERT_EQ(::pread(shm, published.data(), 96, 0), 96);
    ASSERT_EQ(::pwrite(shm, unpublished.data(), 96, 0), 96);
    settle();
    const SqliteLook early = look_at(db_);
    const Pinned old = pinned(true);
    ASSERT_EQ(::pwrite(shm, published.data(), 96, 0), 96);
    const SqliteLook late = look_at(db_);
    const Pinned now = pinned(true);
    EXPECT_TRUE(early.database == late.database && early.wal == late.wal);
    EXPECT_NE(old.content, now.content);
    EXPECT_FALSE(old.fingerprint.empty());
    EXPECT_NE(old.fingerprint, now.fingerprint);
}

TEST_F(SqliteFingerprint, AMissingWalAndAnEmptyOneAreTheSame) {
    make_database(db_, "wal", 200);
    ASSERT_FALSE(real_filesystem().exists(db_ + "-wal"));
    const Bytes missing = settled_fingerprint();
    ASSERT_TRUE(real_filesystem().exists(db_ + "-wal"));  // the snapshot leaves one, empty
    EXPECT_FALSE(missing.empty());
    EXPECT_EQ(fingerprint(), missing);
    std::remove((db_ + "-wal").c_str());
    std::remove((db_ + "-shm").c_str());
    EXPECT_EQ(fingerprint(), missing);
}

TEST_F(SqliteFingerprint, TimesThatMayNotTellTheNextChangeGiveNone) {
    constexpr int64_t kSecond = 1'000'000'000;
    SqliteLook look;
    look.steady = true;
    look.wall_ns = 1'000 * kSecond + 500'000'000;
    const auto given = [&](int64_t mtime_ns, int64_t ctime_ns) {
        look.database = {1, 2, 4096, mtime_ns, ctime_ns};
        return !sqlite_fingerprint(look, look, false, 4096, 4096).empty();
    };
    EXPECT_TRUE(given(7, look.wall_ns - 60'000'000));
    EXPECT_FALSE(given(7, look.wall_ns - 40'000'000));
    EXPECT_FALSE(given(look.wall_ns - 40'000'000, 7));
    EXPECT_FALSE(given(7, look.wall_ns + kSecond));  // a clock that was put back
    EXPECT_FALSE(given(7, 999 * kSecond));           // whole seconds: a coarse clock
    EXPECT_TRUE(given(7, 998 * kSecond));
    look.steady = false;
    EXPECT_FALSE(given(7, 7));
}

TEST_F(SqliteFingerprint, WithoutAWalIndexThereIsNoneInWalMode) {
    SqliteLook look;
    look.steady = true;
    look.wall_ns = INT64_C(1'000'000'000'000);
    look.database = {1, 2, 4096, 7, 7};
    EXPECT_TRUE(sqlite_fingerprint(look, look, true, 4096, 4096).empty());
    look.index_header[12] = 1;
    EXPECT_FALSE(sqlite_fingerprint(look, look, true, 4096, 4096).empty());
    look.index_header[16] = 1;  // frames of a -wal that is not there
    EXPECT_TRUE(sqlite_fingerprint(look, look, true, 4096, 4096).empty());
}

TEST_F(SqliteFingerprint, AFileThatTookTheDatabasesPlaceIsAnother) {
    make_database(db_, "delete", 200);
    const Bytes before = settled_fingerprint();
    put(db_ + ".new", get(db_));
    ASSERT_EQ(std::rename((db_ + ".new").c_str(), db_.c_str()), 0);
    const Bytes after = settled_fingerprint();
    EXPECT_FALSE(after.empty());
    EXPECT_NE(before, after);
}

}  // namespace
}  // namespace ingot
