#include "cli/config_compatibility.h"

#include <gtest/gtest.h>

namespace ingot {
namespace {

// 12 lines; what is added begins at line 13.
const std::string kGood =
    "[repository]\npath = \"/r\"\n[stack]\nname = \"s\"\nroot = \"/opt/s\"\nversion = \"git describe\"\n"
    "[sources.db]\ndriver = \"sqlite\"\npath = \"app.db\"\n[sources.docs]\ndriver = \"files\"\npath = \"docs\"\n";

ConfigReading reading_of(const std::string& more) { return read_config_text(kGood + more, "i.toml", false); }

using Lines = std::vector<std::string>;

TEST(ConfigCompatibility, IsTakenAndItsQueryBecomesAFact) {
    const ConfigReading reading = reading_of(
        "[compatibility]\nmatrix = \"ops/matrix.md\"\nschema = { source = \"db\", sql = \"SELECT max(v) FROM m\" }\n"
        "collection = { command = \"cat v\" }\n");
    EXPECT_EQ(reading.lines(), Lines{});
    const Stack stack = make_stack(reading.config, "/state");
    EXPECT_EQ(stack.compatibility.matrix, "/opt/s/ops/matrix.md");
    ASSERT_EQ(stack.compatibility.versions.size(), 2U);
    EXPECT_EQ(stack.compatibility.versions[0].name, "schema");
    EXPECT_EQ(stack.compatibility.versions[0].fact, "schema_version");
    EXPECT_EQ(stack.compatibility.versions[1].command, "cat v");
    EXPECT_EQ(stack.sources[0]->spec().facts.at("schema_version"), "SELECT max(v) FROM m");
}

TEST(ConfigCompatibility, MistakesAreNamed) {
    EXPECT_EQ(reading_of("[compatibility]\nschema = { source = \"db\" }\n").lines(),
              Lines{"i.toml:14: [compatibility] `schema` wants `sql` or `command`, one of the two"});
    EXPECT_EQ(reading_of("[compatibility]\nschema = { sql = \"SELECT 1\" }\n").lines(),
              Lines{"i.toml:14: [compatibility] `schema` needs `source`: whose `sql` it is"});
    EXPECT_EQ(reading_of("[compatibility]\nschema = { source = \"dd\", sql = \"SELECT 1\" }\n").lines(),
              Lines{"i.toml:14: [compatibility] `schema`: there is no [sources.dd]; did you mean `db`?"});
    EXPECT_EQ(
        reading_of("[compatibility]\nschema = { source = \"docs\", sql = \"SELECT 1\" }\n").lines(),
        Lines{"i.toml:14: [compatibility] `schema` `sql` is for sources of sqlite and postgres, and [sources.docs] is one of "
              "files: write `command` in its place"});
    EXPECT_EQ(reading_of("[compatibility]\nmatrx = \"m.md\"\n").lines().size(), 1U);
}

TEST(ConfigCompatibility, AFactOfTheSameNameMustBeTheSame) {
    const std::string facts = "[sources.two]\ndriver = \"sqlite\"\npath = \"b.db\"\nfacts = { schema_version = \"SELECT 2\" }\n";
    EXPECT_EQ(reading_of(facts + "[compatibility]\nschema = { source = \"two\", sql = \"SELECT 2\" }\n").lines(), Lines{});
    EXPECT_EQ(reading_of(facts + "[compatibility]\nschema = { source = \"two\", sql = \"SELECT 3\" }\n").lines().size(), 1U);
}

TEST(ConfigCompatibility, AnInvariantMayNameThatFact) {
    EXPECT_EQ(reading_of("[compatibility]\nschema = { source = \"db\", sql = \"SELECT 1\" }\n"
                         "[[invariants]]\nleft = \"db.schema_version\"\nright = \"db.user_version\"\n")
                  .lines(),
              Lines{});
}

}  // namespace
}  // namespace ingot
