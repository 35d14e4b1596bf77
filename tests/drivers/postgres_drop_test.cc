// Databases that go, whole and half dropped ones, on a real server.
#include "drivers/postgres_drop.h"

#include <fmt/format.h>

#include "base/clock.h"
#include "postgres_server.h"

namespace ingot {
namespace {

class PostgresDrop : public testing::Test {
protected:
    void SetUp() override {
        INGOT_NEED_POSTGRES();
        server_ = PgServer::shared();
        database_ = server_->new_database();
        session_ = server_->session("postgres");
    }
    void TearDown() override {
        if (session_) drop_pg_database(*session_, "app", database_, 2000);
    }
    PgPresence presence() { return pg_presence(*session_, database_); }
    // As DROP DATABASE marks it before it removes its files.
    void half_drop() {
        session_->execute("UPDATE pg_database SET datconnlimit = -2 WHERE datname = " + session_->quoted(database_));
    }

    PgServer* server_ = nullptr;
    std::string database_;
    std::unique_ptr<PgConnection> session_;
};

TEST_F(PostgresDrop, TellsWholeFromHalfAndNone) {
    EXPECT_EQ(presence(), PgPresence::whole);
    half_drop();
    EXPECT_EQ(presence(), PgPresence::half_dropped);
    drop_pg_database(*session_, "app", database_, 2000);
    EXPECT_EQ(presence(), PgPresence::none);
    drop_pg_database(*session_, "app", database_, 2000);
}

// What the drop goes around: the server ends the session of whoever alters such a database.
TEST_F(PostgresDrop, AHalfDroppedOneEndsTheSessionThatAltersIt) {
    half_drop();
    auto other = server_->session("postgres");
    const std::string alter = fmt::format("ALTER DATABASE {} ALLOW_CONNECTIONS false", other->quoted_name(database_));
    EXPECT_THROW(other->execute(alter), Error);
    EXPECT_THROW(other->execute("SELECT 1"), Error) << "this server only says no: the drop could do without its question";
    EXPECT_THROW(server_->session(database_), Error);
}

TEST_F(PostgresDrop, EndsSessionsAndDropsUnderThem) {
    auto reader = server_->session(database_);
    reader->execute("SELECT 1");
    drop_pg_database(*session_, "app", database_, 10'000);
    EXPECT_EQ(presence(), PgPresence::none);
    EXPECT_THROW(reader->execute("SELECT 1"), Error);
}

TEST_F(PostgresDrop, ASessionThatDoesNotEndIsNamed) {
    auto reader = server_->session(database_);
    const std::string pid = reader->value("SELECT pg_backend_pid()");
    ::kill(std::stoi(pid), SIGSTOP);
    const Error error = error_of([&] { end_pg_sessions(*session_, "app", database_, mono_now_ns() + 200'000'000); });
    ::kill(std::stoi(pid), SIGCONT);
    EXPECT_NE(std::string(error.what()).find("app: session " + pid + " of postgres"), std::string::npos) << error.what();
    EXPECT_NE(error.hint().find("pg_terminate_backend"), std::string::npos);
}

}  // namespace
}  // namespace ingot
