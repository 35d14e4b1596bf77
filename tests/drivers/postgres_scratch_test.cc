// A database of a drill, in the live server and in a temporary one. What holds for every kind of scratch target is in
// tests/contract.
#include "drivers/postgres_scratch.h"

#include <fmt/format.h>
#include <unistd.h>

#include "drivers/postgres.h"
#include "drivers/postgres_temporary.h"
#include "postgres_server.h"

namespace ingot {
namespace {

class PostgresScratchTest : public testing::Test {
protected:
    void SetUp() override {
        INGOT_NEED_POSTGRES();
        server_ = PgServer::shared();
        database_ = server_->new_database();
        sql("CREATE TABLE chunks (id int PRIMARY KEY, body text)");
        sql("INSERT INTO chunks SELECT i, md5(i::text) FROM generate_series(1, 100) i");
        spec_.name = "app";
        spec_.driver = "postgres";
        spec_.spool_dir = folder_.folder("spool");
        spec_.facts = {{"chunks", "SELECT count(*) FROM chunks"}};
        spec_.options["url"] = server_->encoded_url(database_);
    }
    void TearDown() override {
        if (server_ != nullptr) {
            EXPECT_EQ(drills(), "");
        }
    }
    void take() {
        PostgresDriver driver(spec_);
        driver.prepare();
        const auto pin = driver.pin();
        put_files_of(*pin, folder_ / "artifact");
    }
    ScratchSpec scratch() const { return scratch_of(folder_, id_); }
    void sql(const std::string& text) const { server_->sql(database_, text); }
    std::string drills() const {
        return server_->value("postgres",
                              "SELECT coalesce(string_agg(datname, ' '), '') FROM pg_database WHERE datname LIKE 'ingot_drill%'");
    }
    // A role that may log in, and what more it may.
    std::string role(const std::string& name, const std::string& may) const {
        server_->sql("postgres",
                     fmt::format("DO $$ BEGIN CREATE ROLE {} LOGIN {}; EXCEPTION WHEN duplicate_object THEN END $$", name, may));
        return server_->encoded_url(database_, name);
    }

    PgServer* server_ = nullptr;
    // Names of temporary servers are the machine's.
    const std::string id_ = fmt::format("{:016x}", ::getpid());
    std::string database_;
    TestFolder folder_;
    SourceSpec spec_;
};

TEST_F(PostgresScratchTest, AServerThatIsNotThereIsStoodInForByATemporaryOne) {
    sql("CREATE ROLE scratch_owner");
    sql("ALTER TABLE chunks OWNER TO scratch_owner");
    sql(fmt::format("ALTER DATABASE {} SET work_mem TO '7MB'", database_));
    take();
    spec_.options["url"] = "postgresql://rag@127.0.0.1:1/" + database_;
    PostgresDriver driver(spec_);
    const auto target = driver.scratch_target(scratch());
    const Facts facts = target->load();
    EXPECT_EQ(std::get<int64_t>(facts.at("chunks")), 100);
    EXPECT_NE(std::get<std::string>(facts.at("scratch")).find("temporary server"), std::string::npos);
    PostgresDriver restored(target->source());
    EXPECT_EQ(std::get<std::string>(restored.ask_live("SELECT tableowner FROM pg_tables WHERE tablename = 'chunks'")),
              "scratch_owner");
    EXPECT_EQ(std::get<std::string>(restored.ask_live("SHOW work_mem")), "7MB");
    EXPECT_EQ(std::get<std::string>(restored.ask_live("SHOW listen_addresses")), "");
    target->remove();
    target->remove();
    EXPECT_TRUE(real_filesystem().exists(folder_ / "work"));
    real_filesystem().list(folder_ / "work", [](const std::string& name) { ADD_FAILURE() << "left behind: " << name; });
    EXPECT_FALSE(real_filesystem().exists("/var/tmp/ingot-drill-" + id_));
    server_->sql(database_, "DROP OWNED BY scratch_owner CASCADE");
    server_->sql("postgres", "DROP ROLE scratch_owner");
}

TEST_F(PostgresScratchTest, ARoleThatMayNotCreateADatabaseIsSaidAndNoServerStarted) {
    take();
    spec_.options["url"] = role("poor", "");
    PostgresDriver driver(spec_);
    const auto target = driver.scratch_target(scratch());
    const Error error = error_of([&] { target->load(); });
    EXPECT_EQ(error.code(), Code::failed);
    EXPECT_NE(std::string(error.what()).find("may not create a scratch database"), std::string::npos) << error.what();
    EXPECT_NE(error.hint().find("CREATEDB"), std::string::npos);
    target->remove();
}

TEST_F(PostgresScratchTest, WithScratchDatabaseAServerThatIsNotThereFails) {
    take();
    spec_.options["url"] = "postgresql://rag@127.0.0.1:1/" + database_;
    spec_.options["scratch"] = "database";
    PostgresDriver driver(spec_);
    const auto target = driver.scratch_target(scratch());
    EXPECT_EQ(error_of([&] { target->load(); }).code(), Code::failed);
    target->remove();
}

TEST_F(PostgresScratchTest, ALiveDatabaseWithADrillsNameIsRefused) {
    take();
    server_->sql("postgres", "CREATE DATABASE ingot_drill_live");
    spec_.options["database"] = "ingot_drill_live";
    PostgresDriver driver(spec_);
    const Error error = error_of([&] { driver.scratch_target(scratch())->load(); });
    EXPECT_EQ(error.code(), Code::usage);
    EXPECT_EQ(drills(), "ingot_drill_live");
    server_->sql("postgres", "DROP DATABASE ingot_drill_live");
}

TEST_F(PostgresScratchTest, ADumpThatDoesNotLoadLeavesNothing) {
    // Each constraint holds alone, and the second is checked while rows are loaded.
    sql("CREATE FUNCTION always() RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT true'");
    sql("ALTER TABLE chunks ADD CONSTRAINT c CHECK (always())");
    sql("CREATE OR REPLACE FUNCTION always() RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT false'");
    take();
    PostgresDriver driver(spec_);
    const auto target = driver.scratch_target(scratch());
    const Error error = error_of([&] { target->load(); });
    EXPECT_EQ(error.code(), Code::failed);
    EXPECT_NE(std::string(error.what()).find("pg_restore of app"), std::string::npos) << error.what();
    target->remove();
}

TEST_F(PostgresScratchTest, OneThatIsHalfDroppedIsDropped) {
    take();
    PostgresDriver driver(spec_);
    const auto target = driver.scratch_target(scratch());
    target->load();
    server_->sql("postgres", "UPDATE pg_database SET datconnlimit = -2 WHERE datname LIKE 'ingot_drill%'");
    target->remove();
    EXPECT_EQ(drills(), "");
}

TEST_F(PostgresScratchTest, TheConfigMayWantNone) {
    spec_.options["scratch"] = "files";
    EXPECT_FALSE(PostgresDriver(spec_).scratch_target(scratch()));
}

}  // namespace
}  // namespace ingot
