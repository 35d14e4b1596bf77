#include "cli/config_toml.h"

#include <gtest/gtest.h>

namespace ingot {

TEST(ConfigToml, KeepsOrderAndPlaces) {
    TomlMistake mistake;
    const auto root = parse_toml("z = 1\n[sources.b]\nk = \"v\"\n\n[sources.a]\nlist = [\n  1,\n  \"x\"]\n", mistake);
    ASSERT_TRUE(root);
    EXPECT_EQ(root->members[0].key, "z");
    const ConfigNode* sources = root->find("sources");
    ASSERT_NE(sources, nullptr);
    ASSERT_EQ(sources->members.size(), 2u);
    EXPECT_EQ(sources->members[0].key, "b");
    EXPECT_EQ(sources->find("b")->line, 2);
    EXPECT_EQ(sources->find("b")->find("k")->line, 3);
    const ConfigNode* list = sources->find("a")->find("list");
    EXPECT_EQ(list->line, 6);
    EXPECT_EQ(list->items[1].line, 8);
    EXPECT_EQ(list->items[1].text, "x");
}

TEST(ConfigToml, SaysWhereADocumentStopsBeingToml) {
    for (const auto& [document, line] : std::vector<std::pair<std::string, int>>{
             {"a = 1\nb = \n", 2}, {"[x\n", 1}, {"a = 1\na = 2\n", 2}, {std::string("a = \"\xff\"\n"), 1}, {"a = 'x", 1}}) {
        TomlMistake mistake;
        EXPECT_FALSE(parse_toml(document, mistake)) << document;
        EXPECT_EQ(mistake.line, line) << document;
        EXPECT_FALSE(mistake.what.empty());
    }
}

TEST(ConfigToml, TextsComeBackAsTheyWere) {
    for (const std::string text : {"", "plain", "with \"quotes\" and \\", "new\nline\ttab", "Größe"}) {
        TomlMistake mistake;
        const auto root = parse_toml("k = " + toml_text(text) + "\n", mistake);
        ASSERT_TRUE(root) << mistake.what;
        EXPECT_EQ(root->find("k")->text, text);
    }
}

}  // namespace ingot
