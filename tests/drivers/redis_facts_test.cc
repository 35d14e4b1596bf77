#include "drivers/redis_facts.h"

#include <gtest/gtest.h>

namespace ingot {
namespace {

TEST(RedisFacts, APatternMayNameADatabase) {
    EXPECT_EQ(redis_pattern("session:*").db, 0u);
    EXPECT_EQ(redis_pattern("session:*").pattern, "session:*");
    EXPECT_EQ(redis_pattern("12/s*").db, 12u);
    EXPECT_EQ(redis_pattern("12/s*").pattern, "s*");
    EXPECT_EQ(redis_pattern("a/*").pattern, "a/*");
    EXPECT_EQ(redis_pattern("/x").pattern, "/x");
}

TEST(RedisFacts, CountsWhatMatches) {
    RedisFacts facts({{"sessions", "session:*"}, {"ones", "1/s*"}, {"paths", "a/*"}});
    RdbKey key;
    for (const char* name : {"session:1", "session:x/y", "sessions", "a/b", "b/a"}) {
        key.key = name;
        facts.key(key);
    }
    key.db = 1;
    key.expire_ms = 5;
    facts.key(key);
    key.key = "s";
    facts.key(key);
    RdbRead read;
    read.version = 10;
    const Facts out = facts.facts(read, {{"redis-ver", "7.0.15"}, {"ctime", "1"}}, 2);
    const Facts wanted = {{"sessions", int64_t{2}},  {"ones", int64_t{1}},         {"paths", int64_t{1}},
                          {"keys", int64_t{7}},      {"expires", int64_t{2}},      {"databases", int64_t{2}},
                          {"functions", int64_t{2}}, {"rdb_version", int64_t{10}}, {"version", std::string("7.0.15")}};
    EXPECT_EQ(out, wanted);
}

TEST(RedisFacts, OfWhatCouldNotBeReadThereAreNoCounts) {
    RdbRead read;
    read.not_known = "at byte 9: 77";
    EXPECT_FALSE(RedisFacts({}).facts(read, {}, 0).contains("keys"));
}

}  // namespace
}  // namespace ingot
