// Sessions: their deadlines, what is said when they break, and that a broken one stays broken.
#include "drivers/postgres_connection.h"

#include <chrono>

#include "base/clock.h"
#include "postgres_server.h"

namespace ingot {
namespace {

class PgSession : public testing::Test {
protected:
    void SetUp() override {
        INGOT_NEED_POSTGRES();
        server_ = PgServer::shared();
    }
    PgServer* server_ = nullptr;
};

TEST_F(PgSession, GivesRowsAndTellsNullFromEmpty) {
    auto session = server_->session("postgres");
    const PgRows rows = session->query("SELECT 1, NULL, '' UNION ALL SELECT 2, 'a', 'b' ORDER BY 1");
    ASSERT_EQ(rows.size(), 2u);
    EXPECT_EQ(rows[0], (PgRow{"1", std::nullopt, ""}));
    EXPECT_EQ(session->integer("SELECT 40 + 2"), 42);
    EXPECT_EQ(session->value("SELECT " + session->quoted("it's \\ \"")), "it's \\ \"");
    EXPECT_NE(error_of([&] { session->value("SELECT 1 WHERE false"); }).hint(), "");
}

TEST_F(PgSession, ARefusedStatementTellsItsStateAndTheSessionGoesOn) {
    auto session = server_->session("postgres");
    const Error error = error_of([&] { session->execute("SELECT * FROM no_such_table"); });
    EXPECT_EQ(session->refused_state(), "42P01");
    EXPECT_NE(std::string(error.what()).find("relation \"no_such_table\" does not exist"), std::string::npos) << error.what();
    EXPECT_EQ(session->integer("SELECT 1"), 1);
}

TEST_F(PgSession, AnAnswerThatDoesNotComeIsNotWaitedFor) {
    auto session = server_->session("postgres");
    const int64_t began = mono_now_ns();
    const Error error = error_of([&] { session->execute("SELECT pg_sleep(20)", 200); });
    EXPECT_LT((mono_now_ns() - began) / 1'000'000, 1500);
    EXPECT_NE(std::string(error.what()).find("did not answer within"), std::string::npos) << error.what();
    // No new session takes its place in silence.
    EXPECT_EQ(error_of([&] { session->execute("SELECT 1"); }).code(), Code::failed);
}

TEST_F(PgSession, OneThatIsEndedFromOutsideStaysEnded) {
    auto session = server_->session("postgres");
    session->execute("BEGIN");
    server_->session("postgres")->execute("SELECT pg_terminate_backend(" + session->value("SELECT pg_backend_pid()") + ")");
    error_of([&] { session->execute("SELECT 1"); });
    const Error error = error_of([&] { session->execute("SELECT 1"); });
    EXPECT_EQ(error.code(), Code::failed);
}

TEST_F(PgSession, AnAbsentServerOrDatabaseIsToldWithAHint) {
    const Error database = error_of([&] { server_->session("not-there"); });
    EXPECT_NE(std::string(database.what()).find("database \"not-there\" does not exist"), std::string::npos) << database.what();
    const Error server = error_of(
        [] { PgConnection(PgAddress::parse("postgresql://u:s3cret@127.0.0.1:1/db", "url", Code::source), Code::source); });
    EXPECT_EQ(server.code(), Code::source);
    EXPECT_EQ(std::string(server.what()).find("s3cret"), std::string::npos);
    EXPECT_FALSE(server.hint().empty());
}

}  // namespace
}  // namespace ingot
