// The driver on a real server: what it pins, delivers, refuses, and which secrets it keeps.
#include "drivers/postgres.h"

#include <thread>

#include "drivers/postgres_archive.h"
#include "postgres_server.h"

namespace ingot {
namespace {

class Postgres : public testing::Test {
protected:
    void SetUp() override {
        INGOT_NEED_POSTGRES();
        server_ = PgServer::shared();
        database_ = server_->new_database();
        sql("CREATE TABLE chunks (id int PRIMARY KEY, body text)");
        sql("INSERT INTO chunks SELECT i, repeat(md5(i::text), 10) FROM generate_series(1, 1000) i");
        spec_.name = "app";
        spec_.driver = "postgres";
        spec_.root = scratch_.path();
        spec_.spool_dir = scratch_.folder("spool");
        spec_.options["url"] = server_->url(database_);
        spec_.facts["chunks"] = "SELECT count(*) FROM chunks";
    }

    void sql(const std::string& text) const { server_->sql(database_, text); }
    std::map<std::string, std::string> files(Pin& pin) const {
        std::map<std::string, std::string> out;
        for (const ReadEntry& each : read_pin(pin)) out[each.entry.path] = each.bytes;
        return out;
    }
    std::map<std::string, std::string> taken() const {
        PostgresDriver driver(spec_);
        driver.prepare();
        return files(*driver.pin());
    }
    static PgArchive parsed(const std::string& dump) {
        return parse_pg_archive(
            [&](uint64_t at, std::span<uint8_t> out) { return dump.copy(reinterpret_cast<char*>(out.data()), out.size(), at); },
            dump.size());
    }

    TestFolder scratch_;
    PgServer* server_ = nullptr;
    std::string database_;
    SourceSpec spec_;
};

TEST_F(Postgres, DeliversADumpTheDatabasesPropertiesAndTheRoles) {
    const auto files = taken();
    ASSERT_EQ(files.size(), 3u);
    const PgArchive archive = parsed(files.at("app.dump"));
    EXPECT_TRUE(archive.understood);
    EXPECT_EQ(archive.rows, 1000u);
    EXPECT_EQ(pg_major_of(archive.dumped_by), pg_major_of(archive.server));
    EXPECT_NE(files.at("app.database").find("name\t" + database_ + "\n"), std::string::npos);
    EXPECT_NE(files.at("app.globals.sql").find("CREATE ROLE postgres"), std::string::npos);
}

TEST_F(Postgres, TwoDumpsOfUnchangedDataDifferInTheStampAlone) {
    const std::string one = taken().at("app.dump");
    std::this_thread::sleep_for(std::chrono::milliseconds(1100));  // the stamp counts seconds
    const std::string other = taken().at("app.dump");
    ASSERT_EQ(one.size(), other.size());
    const PgArchive archive = parsed(one);
    size_t differing = 0;
    for (size_t i = 0; i < one.size(); ++i) {
        if (one[i] == other[i]) continue;
        ++differing;
        EXPECT_TRUE(i >= archive.stamp_offset && i < archive.stamp_offset + archive.stamp_bytes) << i;
    }
    EXPECT_GT(differing, 0u);
}

TEST_F(Postgres, ATruncateAfterThePinWaitsAndNeverMakesTheTableEmpty) {
    PostgresDriver driver(spec_);
    driver.prepare();
    const auto pin = driver.pin();
    std::jthread other([&] {
        auto session = server_->session(database_);
        session->execute("SET lock_timeout = 300");
        EXPECT_NE(std::string(error_of([&] { session->execute("TRUNCATE chunks"); }).what()).find("lock timeout"),
                  std::string::npos);
    });
    EXPECT_EQ(std::get<int64_t>(pin->facts().at("chunks")), 1000);
    other.join();
    EXPECT_EQ(parsed(files(*pin).at("app.dump")).rows, 1000u);
    sql("TRUNCATE chunks");
}

TEST_F(Postgres, ATruncateThatQueuesBetweenThePinAndItsDumpIsASourceErrorAndNoEmptyTable) {
    spec_.options["idle_timeout"] = "600ms";
    auto held = server_->session(database_);
    std::unique_ptr<Pin> pin;
    PostgresDriver driver(spec_);
    driver.prepare();
    std::jthread other;
    pin = driver.pin();
    other = std::jthread([&] { held->execute("TRUNCATE chunks"); });
    try {
        EXPECT_EQ(parsed(files(*pin).at("app.dump")).rows, 1000u);  // pg_dump was first
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), Code::source);
        EXPECT_NE(std::string(error.what()).find("LOCK TABLE public.chunks"), std::string::npos) << error.what();
        EXPECT_NE(error.hint().find("locks = \"dump\""), std::string::npos);
    }
    pin.reset();
    other.join();
    EXPECT_EQ(server_->value(database_, "SELECT count(*) FROM chunks"), "0");
}

TEST_F(Postgres, WithLocksOfTheDumpATruncateRightAfterThePinWaitsForIt) {
    spec_.options["locks"] = "dump";
    for (int round = 0; round < 3; ++round) {
        sql("TRUNCATE chunks");
        sql("INSERT INTO chunks SELECT i, 'x' FROM generate_series(1, 500) i");
        PostgresDriver driver(spec_);
        driver.prepare();
        const auto pin = driver.pin();
        std::jthread other([&] { sql("TRUNCATE chunks"); });
        EXPECT_EQ(parsed(files(*pin).at("app.dump")).rows, 500u);
    }
}

TEST_F(Postgres, ALockThatIsHeldMakesThePinGiveUpAndSaySo) {
    auto holder = server_->session(database_);
    holder->execute("BEGIN");
    holder->execute("LOCK TABLE chunks IN ACCESS EXCLUSIVE MODE");
    PostgresDriver driver(spec_);
    driver.prepare();
    const Error error = error_of([&] { driver.pin(); });
    EXPECT_EQ(error.code(), Code::source);
    EXPECT_NE(std::string(error.what()).find("lock timeout"), std::string::npos) << error.what();
    holder->execute("ROLLBACK");
    EXPECT_EQ(files(*driver.pin()).size(), 3u);
}

TEST_F(Postgres, NamesThatNeedQuotingAreTaken) {
    database_ = server_->new_database(" \"o'd\\d");
    sql("CREATE SCHEMA \"S c\"");
    sql("CREATE TABLE \"S c\".\"T\"\"a'b\" (id int)");
    sql("INSERT INTO \"S c\".\"T\"\"a'b\" VALUES (1), (2)");
    spec_.options["url"] = server_->encoded_url(database_);
    spec_.facts = {{"rows", "SELECT count(*) FROM \"S c\".\"T\"\"a'b\""}};
    EXPECT_EQ(parsed(taken().at("app.dump")).rows, 2u);
}

TEST_F(Postgres, AFactThatFailsNamesItselfAndKeepsThePin) {
    spec_.facts["broken"] = "SELECT nonsense FROM chunks";
    PostgresDriver driver(spec_);
    const auto pin = driver.pin();
    const Error error = error_of([&] { pin->facts(); });
    EXPECT_EQ(error.code(), Code::source);
    EXPECT_NE(std::string(error.what()).find("the fact broken of app"), std::string::npos) << error.what();
}

TEST_F(Postgres, APasswordIsTakenFromAUrlAnEnvironmentAndAFileAndNeverShown) {
    server_->sql("postgres", "DROP ROLE IF EXISTS secret");
    server_->sql("postgres", "CREATE ROLE secret SUPERUSER LOGIN PASSWORD 'p4ss-w0rd-of-test'");
    const std::string plain = server_->url(database_, "secret");
    const Error refused = error_of([&] { spec_.options["url"] = plain, PostgresDriver(spec_).prepare(); });
    EXPECT_NE(refused.hint().find("password_env"), std::string::npos) << refused.what() << refused.hint();
    std::string with = plain;
    with.insert(with.find('@'), ":p4ss-w0rd-of-test");
    spec_.options["url"] = with;
    EXPECT_EQ(taken().size(), 3u);
    spec_.options["url"] = plain;
    spec_.options["password_env"] = "INGOT_TEST_PG_PASSWORD";
    ::setenv("INGOT_TEST_PG_PASSWORD", "p4ss-w0rd-of-test", 1);
    EXPECT_EQ(taken().size(), 3u);
    ::setenv("INGOT_TEST_PG_PASSWORD", "p4ss-w0rd-of-test-not", 1);
    const Error wrong = error_of([&] { taken(); });
    EXPECT_EQ(std::string(wrong.what()).find("p4ss"), std::string::npos) << wrong.what();
    ::unsetenv("INGOT_TEST_PG_PASSWORD");
    spec_.options.erase("password_env");
    put(scratch_ / "password", "p4ss-w0rd-of-test\n");
    spec_.options["password_file"] = scratch_ / "password";
    ::chmod((scratch_ / "password").c_str(), 0644);
    EXPECT_NE(error_of([&] { taken(); }).hint().find("chmod 600"), std::string::npos);
    ::chmod((scratch_ / "password").c_str(), 0600);
    for (const auto& [name, bytes] : taken()) EXPECT_EQ(bytes.find("p4ss"), std::string::npos) << name;
    server_->sql("postgres", "DROP ROLE secret");
}

TEST_F(Postgres, ToolsRunThroughWhatIsPutBeforeThem) {
    put(scratch_ / "through", "#!/bin/sh\necho \"$@\" >> " + (scratch_ / "said") + "\nexec \"$@\"\n");
    ::chmod((scratch_ / "through").c_str(), 0755);
    spec_.options["tools"] = (scratch_ / "through") + " env 'A=b c'";
    spec_.options["tools_url"] = server_->encoded_url(database_);
    const auto files = taken();
    EXPECT_EQ(parsed(files.at("app.dump")).rows, 1000u);
    const std::string said = get(scratch_ / "said");
    for (const char* tool : {"pg_dump --version", "pg_dump --no-password", "pg_dumpall --no-password"}) {
        EXPECT_NE(said.find(std::string("env A=b c ") + tool), std::string::npos) << said;
    }
}

TEST_F(Postgres, AServerThatHangsWhileItIsReadIsASourceErrorInTime) {
    spec_.options["idle_timeout"] = "500ms";
    sql("INSERT INTO chunks SELECT i, repeat(md5(i::text), 200) FROM generate_series(1001, 3000) i");
    PostgresDriver driver(spec_);
    driver.prepare();
    const auto pin = driver.pin();
    ::kill(server_->pid(), SIGSTOP);
    const auto backends = server_->pid();
    const Error error = error_of([&] {
        // The postmaster alone is stopped: sessions that are there go on, new ones (pg_dump's) are not answered.
        files(*pin);
    });
    ::kill(backends, SIGCONT);
    EXPECT_EQ(error.code(), Code::source) << error.what();
}

TEST_F(Postgres, AnswersOneQuestionAboutTheLiveStateAndNeverWrites) {
    PostgresDriver driver(spec_);
    EXPECT_EQ(driver.ask_live("SELECT count(*) FROM chunks"), Fact(int64_t{1000}));
    const Error error = error_of([&] { (void)driver.ask_live("DELETE FROM chunks RETURNING 1"); });
    EXPECT_EQ(error.code(), Code::failed) << error.what();
    EXPECT_EQ(driver.ask_live("SELECT count(*) FROM chunks"), Fact(int64_t{1000}));
}

TEST_F(Postgres, WhatIsWrongInTheConfigIsToldWhenItIsMade) {
    const auto refused = [&](const std::string& key, const std::string& value, const std::string& said) {
        SourceSpec spec = spec_;
        spec.options[key] = value;
        const Error error = error_of([&] { PostgresDriver made(spec); });
        EXPECT_EQ(error.code(), Code::usage) << key;
        EXPECT_NE(std::string(error.what()).find(said), std::string::npos) << error.what();
    };
    refused("url", "postgresql://u:p4ss@[h/db", "is no address");
    refused("url", "postgresql://u@h", "names no database");
    refused("url_env", "X", "are both given");
    refused("restore_mode", "drop", "is none of");
    refused("tools", "docker 'exec", "a quote that is not closed");
    refused("timeout", "0s", "must be longer");
}

}  // namespace
}  // namespace ingot
