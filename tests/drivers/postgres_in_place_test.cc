// restore_mode = "in_place" on a real server.
#include "drivers/postgres_in_place.h"

#include "drivers/postgres.h"
#include "postgres_server.h"

namespace ingot {
namespace {

class PostgresInPlace : public testing::Test {
protected:
    void SetUp() override {
        INGOT_NEED_POSTGRES();
        server_ = PgServer::shared();
        database_ = server_->new_database();
        sql("CREATE TABLE chunks (id int PRIMARY KEY, body text)");
        sql("INSERT INTO chunks SELECT i, md5(i::text) FROM generate_series(1, 100) i");
        spec_.name = "app";
        spec_.driver = "postgres";
        spec_.spool_dir = scratch_.folder("spool");
        spec_.options["url"] = server_->url(database_);
        spec_.options["restore_mode"] = "in_place";
        driver_ = std::make_unique<PostgresDriver>(spec_);
        put_files_of(*driver_->pin(), scratch_ / "staged");
        sql("DELETE FROM chunks WHERE id > 10");
        target_.fs = &real_filesystem();
        target_.staged_dir = scratch_ / "staged";
        target_.work_dir = scratch_.folder("work");
        target_.restore_id = "0123456789abcdef";
        target_.deadline_ms = 1000;
    }
    void sql(const std::string& text) const { server_->sql(database_, text); }
    std::string rows() const { return server_->value(database_, "SELECT count(*) FROM chunks"); }
    std::unique_ptr<EngineTarget> engine() const { return driver_->engine_target(target_); }

    TestFolder scratch_;
    PgServer* server_ = nullptr;
    std::string database_;
    SourceSpec spec_;
    TargetSpec target_;
    std::unique_ptr<PostgresDriver> driver_;
};

TEST_F(PostgresInPlace, ReplacesTheContentOfTheLiveDatabaseAndTakesItBack) {
    engine()->preflight();
    engine()->stage();
    for (int again = 0; again < 2; ++again) engine()->prepare_undo();
    const std::string oid = server_->value("postgres", "SELECT oid FROM pg_database WHERE datname = '" + database_ + "'");
    for (int again = 0; again < 2; ++again) engine()->swap();
    EXPECT_EQ(rows(), "100");
    EXPECT_EQ(engine()->replaced().size(), 2u);
    for (int again = 0; again < 2; ++again) engine()->undo();
    EXPECT_EQ(rows(), "10");
    EXPECT_EQ(server_->value("postgres", "SELECT oid FROM pg_database WHERE datname = '" + database_ + "'"), oid);
}

TEST_F(PostgresInPlace, ASwapWithoutASavedUndoIsRefusedAndAnUndoWithoutASwapDoesNothing) {
    EXPECT_EQ(error_of([&] { engine()->swap(); }).code(), Code::failed);
    engine()->undo();
    engine()->prepare_undo();
    sql("DELETE FROM chunks WHERE id > 5");
    engine()->undo();
    EXPECT_EQ(rows(), "5");
}

TEST_F(PostgresInPlace, ALockOfAnotherSessionIsNotWaitedForWithoutEnd) {
    engine()->prepare_undo();
    auto holder = server_->session(database_);
    holder->execute("BEGIN");
    holder->execute("LOCK TABLE chunks IN ACCESS SHARE MODE");
    const Error error = error_of([&] { engine()->swap(); });
    EXPECT_NE(std::string(error.what()).find("other sessions hold locks"), std::string::npos) << error.what();
    holder->execute("ROLLBACK");
    EXPECT_EQ(rows(), "10");
    engine()->undo();
    EXPECT_EQ(rows(), "10");
}

}  // namespace
}  // namespace ingot
