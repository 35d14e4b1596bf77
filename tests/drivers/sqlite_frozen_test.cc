#include "drivers/sqlite_frozen.h"

#include <sys/stat.h>

#include "drivers/locked_inodes.h"
#include "sqlite_fixture.h"

namespace ingot {
namespace {

class SqliteFrozenTest : public testing::Test {
protected:
    std::unique_ptr<SqliteConnection> pinned() const {
        auto connection = std::make_unique<SqliteConnection>(live_, SqliteConnection::Use::live, 0, Code::source);
        connection->execute("BEGIN; SELECT count(*) FROM sqlite_schema");
        return connection;
    }
    // As SqlitePin does: nobody in this process closes the file while it is pinned.
    LockedInodes held() const {
        struct stat st {};
        EXPECT_EQ(::stat(live_.c_str(), &st), 0);
        return LockedInodes({{st.st_dev, st.st_ino}});
    }
    static std::string all_of(FrozenDatabase& database, size_t size) {
        std::string out(size, '\0');
        EXPECT_EQ(database.read_at(0, {reinterpret_cast<uint8_t*>(out.data()), size}), size);
        return out;
    }

    TestFolder scratch_;
    std::string live_ = scratch_ / "live.db";
};

TEST_F(SqliteFrozenTest, StaysAsItWasWhileOthersWriteAndCheckpoint) {
    make_database(live_, "wal", 3000);
    const LockedInodes held_inodes = held();
    auto pin = pinned();
    ASSERT_TRUE(wal_is_empty(*pin));
    const std::string then = get(live_);
    FrozenDatabase database(*pin, then.size());
    App writer(live_);
    for (int round = 0; round < 20; ++round) {
        writer.run("UPDATE chunks SET body = body || 'x'");
        for (const char* mode : {"PASSIVE", "RESTART", "TRUNCATE"}) {
            (void)writer.attempt(std::string("PRAGMA wal_checkpoint(") + mode + ")");
        }
        ASSERT_EQ(all_of(database, then.size()), then) << round;
    }
    database.require_unchanged();
    EXPECT_EQ(pin->integer("SELECT count(*) FROM chunks WHERE body LIKE '%x'"), 0);
    pin->execute("ROLLBACK");
    writer.value("PRAGMA wal_checkpoint(TRUNCATE)");
    EXPECT_NE(get(live_), then);  // it would have been written, but for the pin
}

TEST_F(SqliteFrozenTest, FramesInTheWalAreNoFrozenDatabase) {
    make_database(live_, "wal", 100);
    App writer(live_);
    writer.run("UPDATE chunks SET body = 'y'");
    auto pin = pinned();
    EXPECT_FALSE(wal_is_empty(*pin));
}

TEST_F(SqliteFrozenTest, AWriterPastTheLocksIsNoticed) {
    make_database(live_, "wal", 100);
    const LockedInodes held_inodes = held();
    auto pin = pinned();
    FrozenDatabase database(*pin, get(live_).size());
    database.require_unchanged();
    put(live_, get(live_) + "more");
    const Error error = error_of([&] { database.require_unchanged(); });
    EXPECT_EQ(error.code(), Code::source);
    EXPECT_NE(std::string(error.what()).find("past SQLite's locks"), std::string::npos);
}

TEST_F(SqliteFrozenTest, ADatabaseThatWasReplacedIsRefused) {
    make_database(live_, "wal", 100);
    auto pin = pinned();
    real_filesystem().rename(live_, live_ + ".old", Rename::replace);
    make_database(live_, "wal", 10);
    EXPECT_EQ(error_of([&] { FrozenDatabase(*pin, 4096); }).code(), Code::source);
}

}  // namespace
}  // namespace ingot
