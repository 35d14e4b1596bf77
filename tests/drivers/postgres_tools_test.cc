// Which tools are run and how, by stand-ins that write down what they were given.
#include "drivers/postgres_tools.h"

#include "test_folder.h"

namespace ingot {
namespace {

class PostgresTools : public testing::Test {
protected:
    PostgresTools() {
        put(scratch_ / "stand-in",
            "#!/bin/sh\ncase \"$*\" in *--version*) echo 'pg_dump (PostgreSQL) 15.18 (Debian)'; exit 0;; esac\n"
            "printf '%s\\n' \"$@\" > " +
                (scratch_ / "argv") + "\nenv > " + (scratch_ / "env") +
                "\necho 'the password p4ss is wrong' >&2\nexit ${STATUS:-0}\n");
        ::chmod((scratch_ / "stand-in").c_str(), 0755);
        settings_.source = "app";
        settings_.url = "postgresql://rag:p4ss@127.0.0.1/ragdb";
        settings_.tools = {scratch_ / "stand-in"};
        settings_.timeout_ms = settings_.idle_timeout_ms = 5000;
    }

    TestFolder scratch_;
    PgSettings settings_;
};

TEST_F(PostgresTools, GetTheAddressAsAnArgumentAndThePasswordInTheirEnvironmentAlone) {
    settings_.password_env = "INGOT_TEST_PG_SECRET";
    ::setenv("INGOT_TEST_PG_SECRET", "p4ss", 1);
    const PgTools tools(settings_, 15, Code::failed);
    tools.run(tools.command("pg_restore", {"--exit-on-error"}, "a b"), "pg_restore of app");
    ::unsetenv("INGOT_TEST_PG_SECRET");
    EXPECT_EQ(get(scratch_ / "argv"),
              "pg_restore\n--no-password\n--dbname=dbname='a b' host='127.0.0.1' user='rag'\n--exit-on-error\n");
    const std::string env = get(scratch_ / "env");
    EXPECT_NE(env.find("PGPASSWORD=p4ss\n"), std::string::npos);
    EXPECT_NE(env.find("INGOT_TEST_PG_SECRET=\n"), std::string::npos);
}

TEST_F(PostgresTools, OfAnOlderMajorVersionAreRefused) {
    EXPECT_EQ(PgTools(settings_, 14, Code::source).major(), 15);
    const Error error = error_of([&] { PgTools(settings_, 16, Code::source); });
    EXPECT_EQ(error.code(), Code::source);
    EXPECT_EQ(std::string(error.what()), "app: the server is of version 16, and pg_dump of version 15 is older");
    EXPECT_NE(error.hint().find("postgresql-client-16"), std::string::npos);
}

TEST_F(PostgresTools, ThatAreNotThereAreSaid) {
    settings_.tools = {scratch_ / "not-there"};
    EXPECT_EQ(error_of([&] { PgTools(settings_, 15, Code::source); }).code(), Code::source);
}

TEST_F(PostgresTools, FailuresQuoteTheToolAndMaskThePassword) {
    const PgTools tools(settings_, 15, Code::failed);
    Command command = tools.command("pg_dump", {}, "ragdb");
    command.environment.emplace_back("STATUS", "3");
    const Error error = error_of([&] { tools.run(command, "pg_dump of app"); });
    EXPECT_EQ(std::string(error.what()), "pg_dump of app ended with status 3: the password *** is wrong");
}

TEST_F(PostgresTools, ThroughSshWordsAreQuotedForTheShellThere) {
    put(scratch_ / "ssh", "#!/bin/sh\nshift\nexec sh -c \"$*\"\n");
    ::chmod((scratch_ / "ssh").c_str(), 0755);
    settings_.tools = {scratch_ / "ssh", "host", scratch_ / "stand-in"};
    const PgTools tools(settings_, 15, Code::failed);
    tools.run(tools.command("pg_restore", {}, "it's $HOME"), "pg_restore of app");
    EXPECT_EQ(get(scratch_ / "argv"), "pg_restore\n--no-password\n--dbname=dbname='it\\'s $HOME' host='127.0.0.1' user='rag'\n");
}

TEST(PgLastWords, AreTheLastLinesOnOne) {
    EXPECT_EQ(pg_last_words("a\nb\n\nc\nd\n"), "b; c; d");
    EXPECT_EQ(pg_last_words(""), "");
    EXPECT_LE(pg_last_words(std::string(10'000, 'x')).size(), 503u);
}

}  // namespace
}  // namespace ingot
