// The file of a database's properties; reading and applying them is tested on a server in postgres_target_test.cc.
#include "drivers/postgres_database.h"

#include "test_folder.h"

namespace ingot {
namespace {

PgDatabase sample() {
    PgDatabase out;
    out.server_version = 150018;
    out.name = "rag\tdb\\n";
    out.owner = "rag";
    out.encoding = "UTF8";
    out.collate = out.ctype = "C.UTF-8";
    out.tablespace = "pg_default";
    out.wal_lsn = "0/1";
    out.comment = "one\ntwo";
    out.has_grants = true;
    out.connection_limit = 5;
    out.bytes = 1 << 20;
    out.extensions = {{"vector", "0.5.0"}};
    out.roles = {"app", "rag"};
    out.settings = {{"", "work_mem", "5MB"}, {"app", "search_path", "\"a b\", c"}};
    out.grants = {{"", "CONNECT", false}, {"app", "CREATE", true}};
    return out;
}

TEST(PgDatabase, WhatIsEncodedIsDecoded) {
    const std::string text = encode_pg_database(sample());
    const PgDatabase back = decode_pg_database(text);
    EXPECT_EQ(encode_pg_database(back), text);
    EXPECT_EQ(back.name, "rag\tdb\\n");
    EXPECT_EQ(back.comment, "one\ntwo");
    ASSERT_EQ(back.grants.size(), 2u);
    EXPECT_TRUE(back.grants[1].grantable);
    EXPECT_EQ(back.settings[1].value, "\"a b\", c");
}

TEST(PgDatabase, AKeyOfALaterVersionIsPassedOver) {
    EXPECT_EQ(decode_pg_database(encode_pg_database(sample()) + "later\tx\n").extensions.size(), 1u);
}

TEST(PgDatabase, DamagedTextIsRefused) {
    const std::string text = encode_pg_database(sample());
    for (const std::string& bad : {std::string(), std::string("ingot-postgres 2\n"), std::string("ingot-postgres 1\n"),
                                   text + "half", text + "extension\tvector\n", text + "bytes\tmany\n", text.substr(0, 30)}) {
        EXPECT_EQ(error_of([&] { decode_pg_database(bad); }).code(), Code::damaged) << bad;
    }
}

}  // namespace
}  // namespace ingot
