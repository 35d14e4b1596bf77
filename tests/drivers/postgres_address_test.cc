#include "drivers/postgres_address.h"

#include "test_folder.h"

namespace ingot {
namespace {

PgAddress parsed(const std::string& text) { return PgAddress::parse(text, "`url` of source app", Code::usage); }

TEST(PgAddress, KeepsThePasswordApart) {
    const PgAddress address = parsed("postgresql://rag:p%40ss@db.example:5433/ragdb?sslmode=require");
    EXPECT_EQ(address.database(), "ragdb");
    EXPECT_EQ(address.password(), "p@ss");
    EXPECT_EQ(address.conninfo(), "dbname='ragdb' host='db.example' port='5433' sslmode='require' user='rag'");
    EXPECT_EQ(address.shown(), "ragdb on db.example:5433");
    EXPECT_EQ(address.masked("the server at p@ss says p@ss"), "the server at *** says ***");
    EXPECT_FALSE(address.local());
}

TEST(PgAddress, TakesKeywordsAndQuotesThemAgain) {
    const PgAddress escaped = parsed(R"(dbname='it\'s \\' host=/run/postgresql)");
    EXPECT_EQ(escaped.database(), "it's \\");
    EXPECT_EQ(escaped.conninfo(), R"(dbname='it\'s \\' host='/run/postgresql')");
    EXPECT_EQ(parsed(escaped.conninfo()).database(), escaped.database());
    EXPECT_TRUE(escaped.local());
}

TEST(PgAddress, OfAnotherDatabaseIsTheSameInAllElse) {
    const PgAddress address = parsed("postgresql://rag:pw@127.0.0.1/ragdb").with_database("postgres");
    EXPECT_EQ(address.conninfo(), "dbname='postgres' host='127.0.0.1' user='rag'");
    EXPECT_EQ(address.password(), "pw");
    EXPECT_TRUE(address.local());
}

TEST(PgAddress, RefusesWithoutQuotingWhatMayBeAPassword) {
    for (const char* text : {"postgresql://u:s3cret@[h/db", "s3cret", "postgresql://u:s3cret@h", "host=h password=s3cret",
                             "postgresql://u:x@h/db?sslpassword=s3cret", "postgresql://u:s3cret@h/db?nonsense=1"}) {
        const Error error = error_of([&] { parsed(text); });
        EXPECT_EQ(error.code(), Code::usage) << text;
        EXPECT_EQ((error.what() + error.hint()).find("s3cret"), std::string::npos) << error.what();
        EXPECT_FALSE(error.hint().empty());
    }
}

}  // namespace
}  // namespace ingot
