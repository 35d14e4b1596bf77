#include "drivers/rdb_crc.h"

#include <gtest/gtest.h>

namespace ingot {
namespace {

TEST(RdbCrc, IsTheOneOfRedis) {
    // The check value in Redis's crc64.c.
    EXPECT_EQ(rdb_crc(0, view_of("123456789")), 0xe9c6d914c4b8d9ca);
    EXPECT_EQ(rdb_crc(0, {}), 0u);
}

TEST(RdbCrc, IsTheSameInAnyPieces) {
    std::string text;
    for (int i = 0; i < 1000; ++i) text += static_cast<char>(i * 7);
    const uint64_t whole = rdb_crc(0, view_of(text));
    for (size_t cut = 0; cut <= 64; ++cut) {
        const std::string_view view = text;
        EXPECT_EQ(rdb_crc(rdb_crc(0, view_of(view.substr(0, cut))), view_of(view.substr(cut))), whole) << cut;
    }
}

}  // namespace
}  // namespace ingot
