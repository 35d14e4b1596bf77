#include "restore/markdown_table.h"

#include <gtest/gtest.h>

namespace ingot {
namespace {

using Cells = std::vector<std::string>;

TEST(MarkdownTable, IsFoundByItsDelimiterRow) {
    const auto tables = markdown_tables("# Matrix\n\n| A | B |\n|---|:-:|\n| 1 | 2 |\n| 3 |\n\nprose | with a bar\n");
    ASSERT_EQ(tables.size(), 1U);
    EXPECT_EQ(tables[0].header.cells, (Cells{"A", "B"}));
    EXPECT_EQ(tables[0].header.line, 3);
    ASSERT_EQ(tables[0].rows.size(), 2U);
    EXPECT_EQ(tables[0].rows[0].cells, (Cells{"1", "2"}));
    EXPECT_EQ(tables[0].rows[1].cells, (Cells{"3", ""}));
    EXPECT_EQ(tables[0].rows[1].line, 6);
}

TEST(MarkdownTable, NeedsNoBarsAtItsEndsAndMayBeQuotedOrIndented) {
    const auto tables = markdown_tables("A | B\r\n--- | ---\r\n1 | 2 | 3\r\n\r\n>   | C | D |\n>   |--|--|\n>   | 4 | 5 |");
    ASSERT_EQ(tables.size(), 2U);
    EXPECT_EQ(tables[0].rows[0].cells, (Cells{"1", "2"}));
    EXPECT_EQ(tables[1].rows[0].cells, (Cells{"4", "5"}));
}

TEST(MarkdownTable, IsNotInCodeNorInComments) {
    EXPECT_TRUE(markdown_tables("```md\n| A | B |\n|---|---|\n| 1 | 2 |\n```\n").empty());
    EXPECT_TRUE(markdown_tables("<!--\n| A | B |\n|---|---|\n| 1 | 2 |\n-->\n").empty());
    EXPECT_EQ(markdown_tables("<!-- a remark -->\n| A | B |\n|---|---|\n| 1 | 2 |\n").size(), 1U);
    EXPECT_TRUE(markdown_tables("| A | B |\n|---|\n| 1 | 2 |\n").empty());
}

TEST(MarkdownTable, CellsSayWhatTheyMean) {
    EXPECT_EQ(plain_cell(" **[v1.2](https://example.org/x)** "), "v1.2");
    EXPECT_EQ(plain_cell("`>=1.2`"), ">=1.2");
    EXPECT_EQ(plain_cell("_partial_"), "partial");
    EXPECT_EQ(plain_cell("*"), "*");
    EXPECT_EQ(plain_cell("1.2.*"), "1.2.*");
    EXPECT_EQ(plain_cell("1.2\\*"), "1.2*");
    EXPECT_EQ(plain_cell("1.2<br>1.4"), "1.2, 1.4");
    EXPECT_EQ(plain_cell("&lt; 1.2"), "< 1.2");
    EXPECT_EQ(plain_cell("<1.2"), "<1.2");
    EXPECT_EQ(plain_cell("yes[^3]"), "yes");
    EXPECT_EQ(plain_cell("![ok](badge.svg)"), "ok");
    EXPECT_EQ(plain_cell("\xe2\x9a\xa0\xef\xb8\x8f  see  notes"), "\xe2\x9a\xa0 see notes");
    EXPECT_EQ(plain_cell("[UNVERIFIED]"), "[UNVERIFIED]");
}

TEST(MarkdownTable, ABarWithABackslashIsText) {
    const auto tables = markdown_tables("| A | B |\n|-|-|\n| 1 \\| 2 | 3 |");
    ASSERT_EQ(tables.size(), 1U);
    EXPECT_EQ(tables[0].rows[0].cells, (Cells{"1 | 2", "3"}));
}

}  // namespace
}  // namespace ingot
