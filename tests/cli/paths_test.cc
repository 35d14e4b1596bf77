#include "cli/paths.h"

#include <gtest/gtest.h>

namespace ingot {

TEST(Paths, AreMadeAbsoluteByNameAlone) {
    EXPECT_EQ(absolute_path("/a/b", "c"), "/a/b/c");
    EXPECT_EQ(absolute_path("/a/b", "../c/./d//"), "/a/c/d");
    EXPECT_EQ(absolute_path("/a", "/x/../.."), "/");
    EXPECT_EQ(absolute_path("."), current_folder());
}

TEST(Paths, PlainNamesHoldLettersDigitsAndTwoMarks) {
    EXPECT_TRUE(is_plain_name("db_2-x"));
    for (const char* bad : {"", "a b", "a/b", "..", "ä"}) EXPECT_FALSE(is_plain_name(bad)) << bad;
    EXPECT_TRUE(is_plain_name(std::string(64, 'a')));
    EXPECT_FALSE(is_plain_name(std::string(65, 'a')));
}

}  // namespace ingot
