#include "cli/config_values.h"

#include <gtest/gtest.h>

namespace ingot {

TEST(TableReader, TakesValuesAndReportsKeysThatNobodyTook) {
    TomlMistake toml;
    const auto root = parse_toml("text = \"t\"\nnumber = 2\nduration = \"90s\"\nmore = true\n", toml);
    std::vector<Mistake> mistakes;
    TableReader reader(mistakes, &*root, "[x]");
    EXPECT_EQ(reader.text("text"), "t");
    EXPECT_EQ(reader.number("number", 0, 10), 2.0);
    EXPECT_EQ(reader.duration_ms("duration"), 90'000);
    EXPECT_EQ(reader.text("absent"), std::nullopt);
    reader.finish();
    ASSERT_EQ(mistakes.size(), 1u);
    EXPECT_EQ(mistakes[0].line, 4);
    EXPECT_EQ(mistakes[0].message, "[x] has no key `more`");
}

TEST(TableReader, RefusesEmptyTextsAndNul) {
    TomlMistake toml;
    const auto root = parse_toml("a = \"\"\nb = \"x\\u0000\"\n", toml);
    std::vector<Mistake> mistakes;
    TableReader reader(mistakes, &*root, "[x]");
    EXPECT_EQ(reader.text("a"), std::nullopt);
    EXPECT_EQ(reader.text("b"), std::nullopt);
    ASSERT_EQ(mistakes.size(), 2u);
    EXPECT_EQ(mistakes[0].message, "`a` is empty");
    EXPECT_EQ(mistakes[1].message, "`b` holds a NUL character");
}

TEST(TableReader, ATableThatIsNoTableIsOneMistake) {
    TomlMistake toml;
    const auto root = parse_toml("x = 1\n", toml);
    std::vector<Mistake> mistakes;
    TableReader reader(mistakes, root->find("x"), "[x]");
    EXPECT_FALSE(reader.present());
    EXPECT_EQ(reader.text("a"), std::nullopt);
    reader.finish();
    ASSERT_EQ(mistakes.size(), 1u);
    EXPECT_EQ(mistakes[0].message, "[x] wants to be a table, not a number");
}

}  // namespace ingot
