#include "drivers/redis_server.h"

#include <gtest/gtest.h>

namespace ingot {
namespace {

TEST(RedisServer, TakesItsOwnRdbVersionAndOlderOnes) {
    EXPECT_EQ(match_rdb_versions(10, 10).verdict, Verdict::fine);
    EXPECT_EQ(match_rdb_versions(9, 11).verdict, Verdict::fine);
    const EngineMatch newer = match_rdb_versions(12, 10);
    EXPECT_EQ(newer.verdict, Verdict::refused);
    EXPECT_EQ(newer.why, "the snapshot is of RDB version 12, and the server reads up to 10");
    EXPECT_FALSE(newer.hint.empty());
    EXPECT_EQ(match_rdb_versions(0, 10).then, "") << "not recorded";
}

}  // namespace
}  // namespace ingot
