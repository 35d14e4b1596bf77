// Putting a database back on a real server: the swap, its undo, what it refuses, and what a crash at each step leaves.
#include "drivers/postgres_target.h"

#include <fmt/format.h>

#include <chrono>
#include <thread>

#include "base/step.h"
#include "drivers/postgres.h"
#include "drivers/postgres_database.h"
#include "postgres_server.h"

namespace ingot {
namespace {

class PostgresTarget : public testing::Test {
protected:
    void SetUp() override {
        INGOT_NEED_POSTGRES();
        server_ = PgServer::shared();
        use(server_->new_database());
        fill();
        take();
        sql("DELETE FROM chunks WHERE id > 10");
        target_.fs = &real_filesystem();
        target_.staged_dir = scratch_ / "staged";
        target_.work_dir = scratch_.folder("work");
        target_.restore_id = "0123456789abcdef";
        target_.deadline_ms = 2000;
    }
    void TearDown() override {
        if (server_ != nullptr && driver_ != nullptr) engine()->discard();
    }

    void use(const std::string& database) {
        database_ = database;
        spec_.name = "app";
        spec_.driver = "postgres";
        spec_.root = scratch_.path();
        spec_.spool_dir = scratch_.folder("spool");
        spec_.options["url"] = server_->encoded_url(database_);
        driver_ = std::make_unique<PostgresDriver>(spec_);
    }
    void fill() const {
        sql("CREATE TABLE chunks (id int PRIMARY KEY, body text)");
        sql("INSERT INTO chunks SELECT i, md5(i::text) FROM generate_series(1, 100) i");
    }
    void take() const {
        driver_->prepare();
        const auto pin = driver_->pin();
        put_files_of(*pin, scratch_ / "staged");
    }
    void sql(const std::string& text) const { server_->sql(database_, text); }
    std::string rows() const { return server_->value(database_, "SELECT count(*) FROM chunks"); }
    std::unique_ptr<EngineTarget> engine() const { return driver_->engine_target(target_); }
    // Databases beside the live one.
    std::string beside() const {
        return server_->value(
            "postgres",
            "SELECT coalesce(string_agg(datname, ' ' ORDER BY datname), '') FROM pg_database WHERE datname LIKE '%\\_\\_%'");
    }
    std::string of_database(const std::string& column) const {
        auto session = server_->session("postgres");
        return session->value(fmt::format("SELECT {} FROM pg_database WHERE datname = {}", column, session->quoted(database_)));
    }

    TestFolder scratch_;
    PgServer* server_ = nullptr;
    std::string database_;
    SourceSpec spec_;
    TargetSpec target_;
    std::unique_ptr<PostgresDriver> driver_;
};

TEST_F(PostgresTarget, SwapsUndoesAndDiscardsEachTwice) {
    engine()->preflight();
    for (int again = 0; again < 2; ++again) engine()->stage();
    EXPECT_EQ(rows(), "10");
    EXPECT_EQ(beside(), database_ + "__new_0123456789abcdef");
    for (int again = 0; again < 2; ++again) engine()->prepare_undo();
    for (int again = 0; again < 2; ++again) engine()->swap();
    EXPECT_EQ(rows(), "100");
    const auto old = engine()->old_state();
    ASSERT_TRUE(old);
    EXPECT_EQ(old->options.at("database"), database_ + "__old_0123456789abcdef");
    PostgresDriver old_driver(*old);
    old_driver.prepare();
    for (int again = 0; again < 2; ++again) engine()->undo();
    EXPECT_EQ(rows(), "10");
    EXPECT_EQ(beside(), "");
    engine()->swap();
    EXPECT_EQ(rows(), "100");
    for (int again = 0; again < 2; ++again) engine()->discard();
    EXPECT_EQ(rows(), "100");
    EXPECT_EQ(beside(), "");
}

// What a server that was killed within DROP DATABASE leaves: it may only be dropped again.
TEST_F(PostgresTarget, ADatabaseThatIsHalfDroppedIsDropped) {
    const auto half_drop = [&](const std::string& word) {
        server_->sql("postgres", fmt::format("UPDATE pg_database SET datconnlimit = -2 WHERE datname = '{}'",
                                             pg_name_beside(database_, word, target_.restore_id)));
    };
    engine()->stage();
    half_drop("new");
    EXPECT_THROW(server_->value(pg_name_beside(database_, "new", target_.restore_id), "SELECT 1"), Error);
    engine()->prepare_undo(), engine()->undo();
    EXPECT_EQ(beside(), "");
    engine()->stage(), engine()->swap();
    half_drop("old");
    EXPECT_FALSE(engine()->old_state()) << "half a database is nothing that could be stored";
    engine()->discard();
    EXPECT_EQ(beside(), "");
    EXPECT_EQ(rows(), "100");
}

TEST_F(PostgresTarget, AHalfDroppedLiveDatabaseIsReplacedAndPutBack) {
    server_->sql("postgres", fmt::format("UPDATE pg_database SET datconnlimit = -2 WHERE datname = '{}'", database_));
    engine()->preflight();
    engine()->stage(), engine()->prepare_undo(), engine()->swap();
    EXPECT_EQ(rows(), "100");
    EXPECT_FALSE(engine()->old_state());
    engine()->undo();
    EXPECT_EQ(of_database("datconnlimit"), "-2");
    engine()->swap();
    engine()->discard();
    EXPECT_EQ(rows(), "100");
    EXPECT_EQ(beside(), "");
}

// The step at which the next run dies, counted from 0.
struct Crash {};
int crash_at = -1;
void crash(const char*) {
    if (crash_at-- == 0) throw Crash{};
}

TEST_F(PostgresTarget, ACrashAtAnyStepIsUndoneOrGoneOnWith) {
    int steps = 0;
    for (const bool forward : {false, true}) {
        for (int at = 0;; ++at) {
            target_.restore_id = fmt::format("{:016x}", 0x1000 + (forward ? 100 : 0) + at);
            target_.work_dir = scratch_.folder("work" + target_.restore_id);
            bool crashed = false;
            crash_at = at;
            set_step_listener(crash);
            try {
                auto run = engine();
                run->stage(), run->prepare_undo(), run->swap();
            } catch (const Crash&) {
                crashed = true;
            }
            set_step_listener(nullptr);
            if (!crashed) {
                engine()->undo();
                engine()->discard();
                break;
            }
            ++steps;
            if (forward) {
                engine()->stage(), engine()->prepare_undo(), engine()->swap();
                EXPECT_EQ(rows(), "100") << "step " << at;
            }
            engine()->undo();
            EXPECT_EQ(rows(), "10") << "step " << at;
            engine()->discard();
            EXPECT_EQ(beside(), "") << "step " << at;
        }
    }
    std::printf("%d crashes\n", steps);
    EXPECT_GE(steps, 10);
}

TEST_F(PostgresTarget, ASessionThatHoldsTheDatabaseOpenIsEnded) {
    engine()->stage();
    engine()->prepare_undo();
    auto user = server_->session(database_);
    std::jthread busy([&] { error_of([&] { user->execute("SELECT pg_sleep(30)"); }); });
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    engine()->swap();
    EXPECT_EQ(rows(), "100");
}

TEST_F(PostgresTarget, PropertiesOfTheDatabaseComeBack) {
    database_ = server_->new_database(" x\"y'z");
    use(database_);
    fill();
    auto admin = server_->session("postgres");
    const std::string name = admin->quoted_name(database_);
    admin->execute("DROP ROLE IF EXISTS \"app r\"");
    admin->execute("CREATE ROLE \"app r\"");
    for (const char* each : {"SET search_path TO \"$user\", 'S c', public", "SET work_mem TO '5MB'", "SET app.tenant TO 'it''s'",
                             "CONNECTION LIMIT 17"})
        admin->execute(fmt::format("ALTER DATABASE {} {}", name, each));
    admin->execute(fmt::format("ALTER ROLE \"app r\" IN DATABASE {} SET work_mem TO '6MB'", name));
    admin->execute(fmt::format("REVOKE CONNECT ON DATABASE {} FROM PUBLIC", name));
    admin->execute(fmt::format("GRANT CREATE ON DATABASE {} TO \"app r\" WITH GRANT OPTION", name));
    admin->execute(fmt::format("COMMENT ON DATABASE {} IS E'one\\ntwo\\t\\\\'", name));
    // Sorted, and without what may differ.
    const auto all = [&] {
        auto session = server_->session(database_);
        PgDatabase found = read_pg_database(*session);
        found.wal_lsn.clear(), found.bytes = 0;
        return encode_pg_database(found);
    };
    const std::string before = all();
    take();
    engine()->prepare_undo();
    engine()->swap();
    EXPECT_EQ(all(), before);
    for (const char* line : {"setting\t\tsearch_path\t\"$user\", \"S c\", public\n", "setting\t\twork_mem\t5MB\n",
                             "setting\t\tapp.tenant\tit's\n", "setting\tapp r\twork_mem\t6MB\n",
                             "grant\tapp r\tCREATE\tgrantable\n", "connection_limit\t17\n", "comment\tone\\ntwo\\t\\\\\n"}) {
        EXPECT_NE(before.find(line), std::string::npos) << line << before;
    }
    EXPECT_EQ(before.find("grant\t\tCONNECT"), std::string::npos) << before;
    engine()->undo();
    EXPECT_EQ(all(), before);
    engine()->discard();
    driver_.reset();
    admin->execute("DROP DATABASE " + name);
    admin->execute("DROP ROLE \"app r\"");
}

TEST_F(PostgresTarget, ALoadThatFailsHalfWayLeavesTheLiveDatabaseAlone) {
    put(scratch_ / "through",
        "#!/bin/sh\ncase \"$*\" in *pg_restore*--single*) head -c 3000 | \"$@\" ;; *) exec \"$@\" ;; esac\n");
    ::chmod((scratch_ / "through").c_str(), 0755);
    spec_.options["tools"] = scratch_ / "through";
    driver_ = std::make_unique<PostgresDriver>(spec_);
    const Error error = error_of([&] { engine()->stage(); });
    EXPECT_EQ(error.code(), Code::failed);
    EXPECT_NE(std::string(error.what()).find("pg_restore of app ended with status 1"), std::string::npos) << error.what();
    EXPECT_EQ(rows(), "10");
    EXPECT_EQ(beside(), "");
}

TEST_F(PostgresTarget, WhatTheServerLacksIsNamedBeforeAnythingIsMade) {
    const std::string path = scratch_ / "staged/app.database";
    const std::string good = get(path);
    append(path, "extension\tvector\t0.5.0\nrole\tnobody-here\n");
    const Error lacking = error_of([&] { engine()->stage(); });
    EXPECT_EQ(std::string(lacking.what()), "app: the server lacks extension vector 0.5.0, role nobody-here");
    EXPECT_EQ(error_of([&] { engine()->preflight(); }).code(), Code::failed);
    put(path, good + "server_version\t990000\n");
    const Error newer = error_of([&] { engine()->stage(); });
    EXPECT_EQ(newer.code(), Code::incompatible);
    EXPECT_NE(std::string(newer.what()).find("of a server of version 99"), std::string::npos) << newer.what();
    const auto match = [&](const std::string& then) {
        return PostgresDriver(spec_).match_engine({{"server_version", then}})->verdict;
    };
    EXPECT_EQ(match("99.1 (Debian 99.1-1)"), Verdict::refused);
    EXPECT_EQ(match("9.6.24"), Verdict::warning);
    EXPECT_EQ(match(PostgresDriver(spec_).match_engine({})->now), Verdict::fine);
    put(path, good + "bytes\t1000000000000000000\n");
    EXPECT_NE(std::string(error_of([&] { engine()->stage(); }).what()).find("a second copy of the database takes"),
              std::string::npos);
    EXPECT_EQ(beside(), "");
}

TEST_F(PostgresTarget, ADatabaseThatIsGoneIsMadeAndUndoneAgain) {
    server_->sql("postgres", "DROP DATABASE " + database_);
    engine()->preflight();
    engine()->stage();
    engine()->prepare_undo();
    engine()->swap();
    EXPECT_EQ(rows(), "100");
    engine()->undo();
    EXPECT_EQ(of_database("count(*)"), "0");
    EXPECT_EQ(beside(), "");
}

TEST_F(PostgresTarget, ADatabaseThatSomebodyPutInItsPlaceBeforeTheSwapIsLeftAlone) {
    engine()->stage();
    engine()->prepare_undo();
    server_->sql("postgres", fmt::format("DROP DATABASE {}", database_));
    server_->sql("postgres", fmt::format("CREATE DATABASE {}", database_));
    sql("CREATE TABLE chunks AS SELECT 1 AS id");
    try {
        engine()->swap();
        ADD_FAILURE() << "swapped";
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), Code::failed);
        EXPECT_NE(std::string(error.what()).find("another database"), std::string::npos) << error.what();
    }
    for (int again = 0; again < 2; ++again) engine()->undo();
    EXPECT_EQ(rows(), "1");
    EXPECT_EQ(beside(), "");
}

TEST_F(PostgresTarget, RightsAndPreparedTransactionsAreAskedForFirst) {
    server_->sql("postgres", "DROP ROLE IF EXISTS weak");
    server_->sql("postgres", "CREATE ROLE weak LOGIN");
    spec_.options["url"] = server_->url(database_, "weak");
    driver_ = std::make_unique<PostgresDriver>(spec_);
    EXPECT_NE(std::string(error_of([&] { engine()->preflight(); }).what()).find("may not create databases"), std::string::npos);
    server_->sql("postgres", "ALTER ROLE weak CREATEDB");
    EXPECT_NE(std::string(error_of([&] { engine()->preflight(); }).what()).find("does not own"), std::string::npos);
    use(database_);
    server_->sql("postgres", "DROP ROLE weak");
    {
        auto session = server_->session(database_);
        session->execute("BEGIN");
        session->execute("DELETE FROM chunks");
        session->execute("PREPARE TRANSACTION 'ours'");
    }
    EXPECT_NE(std::string(error_of([&] { engine()->preflight(); }).what()).find("prepared transactions"), std::string::npos);
    sql("ROLLBACK PREPARED 'ours'");
    engine()->preflight();
}

TEST_F(PostgresTarget, ASwapIsThereAfterTheServerWasKilledRightAfterIt) {
    engine()->stage();
    engine()->prepare_undo();
    engine()->swap();
    server_->stop(SIGKILL);
    server_->start();
    EXPECT_EQ(rows(), "100");
    engine()->undo();
    EXPECT_EQ(rows(), "10");
}

TEST(PostgresNames, BesideTheLiveOneFitIntoWhatTheServerTakes) {
    EXPECT_EQ(pg_name_beside("app", "old", "0123456789abcdef"), "app__old_0123456789abcdef");
    const std::string cut = pg_name_beside(std::string(40, 'x') + "\xc3\xa9" + std::string(20, 'y'), "new", "0123456789abcdef");
    EXPECT_EQ(cut, std::string(40, 'x') + "__new_0123456789abcdef");
    EXPECT_LE(pg_name_beside(std::string(63, 'z'), "new", "0123456789abcdef").size(), 63u);
}

}  // namespace
}  // namespace ingot
