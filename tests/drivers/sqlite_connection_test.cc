#include "drivers/sqlite_connection.h"

#include "sqlite_fixture.h"

namespace ingot {
namespace {

TEST(SqliteConnection, DoesNotCreateAndSaysWhatIsWrong) {
    const TestFolder scratch;
    const Error error = error_of([&] { SqliteConnection(scratch / "gone", SqliteConnection::Use::live, 0, Code::source); });
    EXPECT_EQ(error.code(), Code::source);
    EXPECT_FALSE(error.hint().empty());
    EXPECT_FALSE(real_filesystem().exists(scratch / "gone"));
}

TEST(SqliteConnection, ReadsNumbersAndTextsUnderItsOwnCode) {
    const TestFolder scratch;
    make_database(scratch / "db", "wal", 5);
    SqliteConnection connection(scratch / "db", SqliteConnection::Use::live, 0, Code::damaged);
    EXPECT_EQ(connection.integer("SELECT count(*) FROM chunks"), 5);
    EXPECT_EQ(connection.text("PRAGMA journal_mode"), "wal");
    EXPECT_EQ(connection.real_path(), scratch / "db");
    EXPECT_EQ(error_of([&] { connection.integer("SELECT nonsense"); }).code(), Code::damaged);
    EXPECT_EQ(error_of([&] { connection.execute("SELECT nonsense"); }).code(), Code::damaged);
}

TEST(SqliteConnection, LeavesTheWalOfTheApplicationAsItIs) {
    const TestFolder scratch;
    make_database(scratch / "db", "wal", 5);
    ASSERT_TRUE(killed([&] {
        App app(scratch / "db");
        app.run(set_version(1));
        ::kill(::getpid(), SIGKILL);
    }));
    const std::string wal = get(scratch / "db-wal"), file = get(scratch / "db");
    SqliteConnection(scratch / "db", SqliteConnection::Use::live, 0, Code::failed).integer("SELECT count(*) FROM chunks");
    EXPECT_EQ(get(scratch / "db-wal"), wal);
    EXPECT_EQ(get(scratch / "db"), file);
}

TEST(SqliteConnection, NamesTheProgramThatHoldsTheLock) {
    const TestFolder scratch;
    make_database(scratch / "db", "delete", 5);
    int ready[2], done[2];
    ASSERT_EQ(::pipe(ready), 0);
    ASSERT_EQ(::pipe(done), 0);
    const pid_t child = ::fork();
    if (child == 0) {
        App app(scratch / "db");
        app.run("BEGIN EXCLUSIVE");
        char byte = 'x';
        if (::write(ready[1], &byte, 1) != 1 || ::read(done[0], &byte, 1) != 1) ::_exit(1);
        ::_exit(0);
    }
    char byte = 0;
    ASSERT_EQ(::read(ready[0], &byte, 1), 1);
    {
        SqliteConnection connection(scratch / "db", SqliteConnection::Use::live, 0, Code::source);
        const Error error = error_of([&] { connection.integer("SELECT count(*) FROM chunks"); });
        EXPECT_EQ(error.code(), Code::source);
        EXPECT_NE(std::string(error.what()).find("(pid " + std::to_string(child)), std::string::npos) << error.what();
    }
    ASSERT_EQ(::write(done[1], &byte, 1), 1);
    ::waitpid(child, nullptr, 0);
    EXPECT_EQ(lock_holder(scratch / "db"), "");
}

}  // namespace
}  // namespace ingot
