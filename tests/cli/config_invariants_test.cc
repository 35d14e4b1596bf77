#include "cli/config_invariants.h"

#include <gtest/gtest.h>

namespace ingot {
namespace {

const std::string kStack =
    "[repository]\npath = \"/r\"\n"                           // 1-2
    "[stack]\nname = \"s\"\nroot = \"/opt/s\"\n"              // 3-5
    "[sources.db]\ndriver = \"sqlite\"\npath = \"a.db\"\n"    // 6-8
    "facts = { chunks = \"SELECT count(*) FROM chunks\" }\n"  // 9
    "[sources.docs]\ndriver = \"files\"\npath = \"docs\"\n";  // 10-12

ConfigReading reading_of(const std::string& more) { return read_config_text(kStack + more, "i.toml", false); }

std::vector<std::string> mistakes_of(const std::string& more) { return reading_of(more).lines(); }

TEST(ConfigInvariants, AreTakenInTheirOrder) {
    const ConfigReading reading = reading_of(
        "[[invariants]]\nname = \"every chunk has its file\"\nleft = \"docs.files\"\nright = \"db.chunks\"\n"
        "[[invariants]]\nleft = \"db.page_count\"\nright = \"db.schema_objects\"\n");
    EXPECT_TRUE(reading.lines().empty());
    ASSERT_EQ(reading.config.invariants.size(), 2u);
    EXPECT_EQ(reading.config.invariants[0].name, "every chunk has its file");
    EXPECT_EQ(reading.config.invariants[0].left, "docs.files");
    EXPECT_EQ(reading.config.invariants[0].right, "db.chunks");
    EXPECT_EQ(reading.config.invariants[1].name, "db.page_count = db.schema_objects");
    EXPECT_EQ(make_stack(reading.config, "/var/state").invariants.size(), 2u);
}

TEST(ConfigInvariants, WhatIsWrongWithThemIsSaidAllAtOnce) {
    const std::vector<std::string> want = {
        "i.toml:13: [[invariants]] needs `right`, such as right = \"db.chunks\"",
        "i.toml:14: `left`: there is no [sources.dbs]; did you mean `db`?",
        "i.toml:16: `left`: [sources.db] has no fact `chunk`; did you mean `chunks`?; it has: page_count, page_size, "
        "journal_mode, "
        "user_version, application_id, schema_objects, chunks",
        "i.toml:17: `right` wants a source and its fact, such as \"db.chunks\", and not \"chunks\"",
        "i.toml:18: [[invariants]] has no key `nam`; did you mean `name`?",
    };
    EXPECT_EQ(mistakes_of("[[invariants]]\nleft = \"dbs.chunks\"\n"
                          "[[invariants]]\nleft = \"db.chunk\"\nright = \"chunks\"\nnam = \"x\"\n"),
              want);
    EXPECT_EQ(mistakes_of("[invariants]\nleft = \"db.chunks\"\n"),
              std::vector<std::string>{"i.toml:13: `invariants` wants to be a list of tables: [[invariants]]"});
    EXPECT_EQ(mistakes_of("[[invariants]]\nleft = \"db.chunks\"\nright = \"docs.files\"\n"
                          "[[invariants]]\nleft = \"db.chunks\"\nright = \"docs.files\"\n"),
              std::vector<std::string>{"i.toml:16: two [[invariants]] are named \"db.chunks = docs.files\""});
}

TEST(ConfigInvariants, OfASourceThatIsItselfWrongAddNoMistake) {
    EXPECT_EQ(mistakes_of("[sources.v]\ndriver = \"nope\"\n[[invariants]]\nleft = \"v.ntotal\"\nright = \"db.chunks\"\n").size(),
              1u);
}

}  // namespace
}  // namespace ingot
