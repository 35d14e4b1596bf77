#include "drivers/sqlite_facts.h"

#include "base/interrupt.h"
#include "sqlite_fixture.h"

namespace ingot {
namespace {

class SqliteFactsTest : public testing::Test {
protected:
    SqliteFactsTest() { make_database(path_, "delete", 10); }

    Facts ask(const std::string& sql) {
        SqliteConnection connection(path_, SqliteConnection::Use::live, 0, Code::source);
        return sqlite_facts(connection, {{"f", sql}});
    }
    std::string refusal(const std::string& sql) {
        const Error error = error_of([&] { ask(sql); });
        EXPECT_EQ(error.code(), Code::source);
        EXPECT_FALSE(error.hint().empty()) << sql;
        return error.what();
    }

    TestFolder scratch_;
    std::string path_ = scratch_ / "db";
};

TEST_F(SqliteFactsTest, HoldsTheDatabasesOwnNumbers) {
    App(path_).run("PRAGMA user_version = 7; PRAGMA application_id = 99");
    const Facts facts = ask("SELECT 1");
    EXPECT_EQ(std::get<int64_t>(facts.at("page_size")), 4096);
    EXPECT_EQ(std::get<int64_t>(facts.at("page_count")) * 4096, static_cast<int64_t>(get(path_).size()));
    EXPECT_EQ(std::get<std::string>(facts.at("journal_mode")), "delete");
    EXPECT_EQ(std::get<int64_t>(facts.at("user_version")), 7);
    EXPECT_EQ(std::get<int64_t>(facts.at("application_id")), 99);
    EXPECT_EQ(std::get<int64_t>(facts.at("schema_objects")), 2);
}

TEST_F(SqliteFactsTest, AQueryGivesANumberOrAText) {
    EXPECT_EQ(std::get<int64_t>(ask("SELECT count(*) FROM chunks; ").at("f")), 10);
    EXPECT_EQ(std::get<double>(ask("SELECT 1.5").at("f")), 1.5);
    EXPECT_EQ(std::get<std::string>(ask("SELECT 'v1'").at("f")), "v1");
    EXPECT_EQ(std::get<std::string>(ask("SELECT max(id) FROM chunks WHERE 0").at("f")), "NULL");
    EXPECT_EQ(std::get<int64_t>(
                  ask("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 5) SELECT sum(i) FROM n").at("f")),
              15);
}

TEST_F(SqliteFactsTest, WhatIsNotOneReadingStatementOfOneValueIsRefused) {
    const std::string before = get(path_);
    for (const char* sql : {"DELETE FROM chunks", "INSERT INTO chunks(id) VALUES (77) RETURNING id", "PRAGMA user_version = 5",
                            "PRAGMA user_version", "ATTACH '/tmp/x' AS x", "VACUUM", "SELECT 1; DELETE FROM chunks",
                            "SELECT 1, 2", "SELECT 1 WHERE 0", "SELECT id FROM chunks", "SELECT x'00'",
                            "SELECT hex(zeroblob(5000))", "", "nonsense", "SELECT * FROM gone"}) {
        EXPECT_NE(refusal(sql).find("fact f"), std::string::npos) << sql;
    }
    EXPECT_EQ(get(path_), before);
}

TEST_F(SqliteFactsTest, ASignalEndsAQuery) {
    set_interrupted(true);
    const Error error =
        error_of([&] { ask("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"); });
    set_interrupted(false);
    EXPECT_EQ(error.code(), Code::interrupted);
}

TEST_F(SqliteFactsTest, AGoodDatabasePassesItsCheck) {
    SqliteConnection connection(path_, SqliteConnection::Use::artifact, 0, Code::damaged);
    const Facts facts = sqlite_check(connection);
    EXPECT_EQ(std::get<std::string>(facts.at("checked_by")), "integrity_check");
    EXPECT_EQ(std::get<int64_t>(facts.at("foreign_key_violations")), 0);
}

TEST_F(SqliteFactsTest, AnIndexThatDisagreesWithItsTableIsDamageAndQuoted) {
    {
        App app(path_);
        app.run("CREATE INDEX by_version ON chunks(version)");
        // The index's b-tree now belongs to another definition: every row is missing from it.
        app.run("PRAGMA writable_schema = ON");
        app.run("UPDATE sqlite_schema SET sql = 'CREATE INDEX by_version ON chunks(body)' WHERE name = 'by_version'");
    }
    SqliteConnection connection(path_, SqliteConnection::Use::artifact, 0, Code::damaged);
    const Error error = error_of([&] { sqlite_check(connection); });
    EXPECT_EQ(error.code(), Code::damaged);
    EXPECT_NE(std::string(error.what()).find("missing from index by_version"), std::string::npos) << error.what();
}

TEST_F(SqliteFactsTest, ACollationOnlyTheApplicationHasIsNoDamage) {
    {
        App app(path_);
        sqlite3_create_collation(app.handle(), "own", SQLITE_UTF8, nullptr,
                                 [](void*, int a, const void*, int b, const void*) { return a - b; });
        app.run(
            "CREATE TABLE words(w TEXT COLLATE own); CREATE INDEX by_word ON words(w); INSERT INTO words VALUES ('a'), ('b')");
    }
    SqliteConnection connection(path_, SqliteConnection::Use::artifact, 0, Code::damaged);
    EXPECT_EQ(std::get<std::string>(sqlite_check(connection).at("checked_by")), "quick_check");
}

}  // namespace
}  // namespace ingot
