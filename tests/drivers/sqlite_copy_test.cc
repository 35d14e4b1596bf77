#include "drivers/sqlite_copy.h"

#include <sys/resource.h>

#include <csignal>

#include "sqlite_fixture.h"

namespace ingot {
namespace {

class SqliteCopyTest : public testing::Test {
protected:
    TestFolder scratch_;
    std::string live_ = scratch_ / "live.db";
    std::string from_ = scratch_ / "from.db";
};

std::string bytes_of(const SqliteSpool& spool) {
    std::string out(spool.size(), '\0');
    EXPECT_EQ(spool.read_at(0, {reinterpret_cast<uint8_t*>(out.data()), out.size()}), out.size());
    return out;
}

TEST_F(SqliteCopyTest, ASpoolHasNoName) {
    const std::string folder = scratch_.folder("spools");
    const SqliteSpool spool(folder);
    real_filesystem().list(folder, [](const std::string& name) { ADD_FAILURE() << name; });
    EXPECT_EQ(error_of([&] { SqliteSpool(scratch_ / "gone"); }).code(), Code::failed);
}

TEST_F(SqliteCopyTest, PagesAreCopiedAsTheyAre) {
    make_database(live_, "delete", 5000);
    SqliteConnection source(live_, SqliteConnection::Use::live, 0, Code::source);
    source.execute("BEGIN; SELECT count(*) FROM sqlite_schema");
    SqliteSpool spool(scratch_.path());
    spool.copy_pages(source, get(live_).size());
    EXPECT_EQ(bytes_of(spool), get(live_));
    EXPECT_EQ(spool.connection().integer("SELECT count(*) FROM chunks"), 5000);
    SqliteSpool other(scratch_.path());
    EXPECT_EQ(error_of([&] { other.copy_pages(source, get(live_).size() + 1); }).code(), Code::source);
}

TEST_F(SqliteCopyTest, TwoBackupsOfOneStateAreTheSameBytes) {
    make_database(live_, "wal", 3000);
    std::string copies[2];
    for (std::string& copy : copies) {
        SqliteConnection source(live_, SqliteConnection::Use::live, 0, Code::source);
        source.execute("BEGIN; SELECT count(*) FROM sqlite_schema");
        SqliteSpool spool(scratch_.path());
        spool.copy_by_backup(source);
        copy = bytes_of(spool);
    }
    EXPECT_EQ(copies[0], copies[1]);
}

TEST_F(SqliteCopyTest, AFullSpoolIsNotTheSourcesFault) {
    make_database(live_, "wal", 3000);
    const pid_t child = ::fork();
    if (child == 0) {
        const rlimit limit{100'000, 100'000};
        ::signal(SIGXFSZ, SIG_IGN);
        ::setrlimit(RLIMIT_FSIZE, &limit);
        try {
            SqliteConnection source(live_, SqliteConnection::Use::live, 0, Code::source);
            source.execute("BEGIN; SELECT count(*) FROM sqlite_schema");
            SqliteSpool(scratch_.path()).copy_by_backup(source);
        } catch (const Error& error) {
            ::_exit(error.code() == Code::failed ? 0 : 2);
        }
        ::_exit(3);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST_F(SqliteCopyTest, TellsWhatIsLive) {
    EXPECT_EQ(live_state(live_, 100), LiveState::missing);
    make_database(live_, "wal", 5);
    EXPECT_EQ(live_state(live_, 100), LiveState::database);
    put(scratch_ / "empty", "");
    EXPECT_EQ(live_state(scratch_ / "empty", 100), LiveState::database);
    put(scratch_ / "noise", std::string(5000, 'x'));
    EXPECT_EQ(live_state(scratch_ / "noise", 100), LiveState::broken);
    EXPECT_EQ(error_of([&] { live_state(scratch_.path(), 100); }).code(), Code::failed);
}

struct Case {
    const char* from_mode;
    int from_page;
    const char* live_mode;
    int live_page;
    const char* mode_after;
};

TEST_F(SqliteCopyTest, WritesIntoALiveDatabaseOfAnyModeAndPageSize) {
    const Case cases[] = {{"wal", 4096, "wal", 4096, "wal"},    {"delete", 4096, "wal", 4096, "wal"},
                          {"wal", 4096, "delete", 4096, "wal"}, {"delete", 4096, "delete", 1024, "delete"},
                          {"delete", 1024, "wal", 4096, "wal"}, {"wal", 8192, "wal", 4096, "wal"}};
    for (const Case& c : cases) {
        for (const char* name : {"live.db", "live.db-wal", "live.db-shm", "from.db", "from.db-wal", "from.db-shm"}) {
            std::remove((scratch_ / name).c_str());
        }
        make_database(from_, c.from_mode, 700, c.from_page);
        const std::string wanted = content_of(from_);
        make_database(live_, c.live_mode, 50, c.live_page);
        ASSERT_TRUE(write_into_live(from_, live_, 1000));
        EXPECT_EQ(content_of(live_), wanted);
        EXPECT_EQ(App(live_).value("PRAGMA journal_mode"), std::string(c.mode_after) + "|")
            << c.from_mode << " into " << c.live_mode;
    }
}

TEST_F(SqliteCopyTest, AnOpenReaderKeepsItsSnapshotAndThenSeesTheNewOne) {
    make_database(from_, "wal", 100);
    make_database(live_, "wal", 5);
    App reader(live_);
    reader.run("BEGIN");
    EXPECT_EQ(reader.value("SELECT count(*) FROM chunks"), "5|");
    ASSERT_TRUE(write_into_live(from_, live_, 1000));
    EXPECT_EQ(reader.value("SELECT count(*) FROM chunks"), "5|");
    reader.run("COMMIT");
    EXPECT_EQ(reader.value("SELECT count(*) FROM chunks"), "100|");
}

TEST_F(SqliteCopyTest, ALockHeldForEverIsAnErrorAfterTheDeadlineAndChangesNothing) {
    make_database(from_, "wal", 100);
    for (const char* mode : {"wal", "delete"}) {
        for (const char* suffix : {"", "-wal", "-shm"}) std::remove((live_ + suffix).c_str());
        make_database(live_, mode, 5);
        App writer(live_);
        writer.run("BEGIN IMMEDIATE; UPDATE chunks SET version = 1");
        const Error error = error_of([&] { write_into_live(from_, live_, 100); });
        EXPECT_EQ(error.code(), Code::failed) << mode;
        EXPECT_NE(std::string(error.what()).find("holds it locked"), std::string::npos) << error.what();
        writer.run("ROLLBACK");
        EXPECT_TRUE(content_of(live_).starts_with("5|0|0|"));
    }
}

TEST_F(SqliteCopyTest, AReaderOfARollbackJournalDatabaseIsWaitedFor) {
    make_database(from_, "delete", 100);
    make_database(live_, "delete", 5);
    std::jthread reader([&] {
        App app(live_);
        app.run("BEGIN");
        EXPECT_EQ(app.value("SELECT count(*) FROM chunks"), "5|");
        std::this_thread::sleep_for(std::chrono::milliseconds(150));
        app.run("COMMIT");
    });
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    ASSERT_TRUE(write_into_live(from_, live_, 5000));
    EXPECT_TRUE(content_of(live_).starts_with("100|"));
}

TEST_F(SqliteCopyTest, APageSizeMismatchInWalModeWithTheDatabaseInUseIsAClearError) {
    make_database(from_, "wal", 100, 8192);
    make_database(live_, "wal", 5);
    App app(live_);
    EXPECT_EQ(app.value("SELECT count(*) FROM chunks"), "5|");
    const Error error = error_of([&] { write_into_live(from_, live_, 100); });
    EXPECT_EQ(error.code(), Code::failed);
    EXPECT_NE(std::string(error.what()).find("pages of another size"), std::string::npos);
    EXPECT_EQ(app.value("SELECT count(*) FROM chunks"), "5|");
}

TEST_F(SqliteCopyTest, ABrokenLiveFileIsLeftToTheCaller) {
    make_database(from_, "wal", 100);
    put(live_, std::string(5000, 'x'));
    EXPECT_FALSE(write_into_live(from_, live_, 100));
    EXPECT_EQ(get(live_), std::string(5000, 'x'));
}

}  // namespace
}  // namespace ingot
