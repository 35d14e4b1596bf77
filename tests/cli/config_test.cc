#include "cli/config.h"

#include <gtest/gtest.h>

#include "tests/base/temp_dir.h"

namespace ingot {

TEST(Config, PathsOfTheRepositoryStartAtTheConfigsFolder) {
    TempDir dir;
    dir.write("i.toml",
              "[repository]\npath = \"repo\"\nkey_file = \"../key\"\n[stack]\nname = \"s\"\nroot = \"/opt/s/\"\n"
              "[sources.d]\ndriver = \"files\"\npath = \"d\"\n[state]\ndir = \"/state\"\n");
    const ConfigReading reading = read_config(real_filesystem(), dir.at("i.toml"), false);
    ASSERT_FALSE(reading.wrong()) << reading.error().what();
    EXPECT_EQ(reading.config.repository.text, dir.at("repo"));
    EXPECT_EQ(reading.config.repository.line, 2);
    EXPECT_EQ(reading.config.key_file.text, join(parent_of(dir.path()), "key"));
    EXPECT_EQ(reading.config.state_dir.text, "/state");
    EXPECT_EQ(reading.config.root, "/opt/s");
}

TEST(Config, MakesTheStack) {
    const ConfigReading reading = read_config_text(
        "[repository]\npath = \"/r\"\n[stack]\nname = \"s\"\nroot = \"/opt/s\"\nversion = \"cat VERSION\"\ngolden_max_age = "
        "\"1d\"\ntries = 5\n"
        "[barrier]\npause = \"p\"\nresume = \"r\"\nmax_pause = \"250ms\"\n[sources.b]\ndriver = \"files\"\npath = "
        "\"b\"\n[sources.a]\ndriver = \"env\"\npath = \"a\"\n",
        "i.toml", false);
    ASSERT_FALSE(reading.wrong()) << reading.error().what();
    const Stack stack = make_stack(reading.config, "/state");
    EXPECT_EQ(stack.name, "s");
    EXPECT_EQ(stack.version_command, "cat VERSION");
    EXPECT_EQ(stack.barrier.max_pause_ms, 250);
    EXPECT_EQ(stack.golden_max_age_ms, 86'400'000);
    EXPECT_EQ(stack.tries, 5);
    ASSERT_EQ(stack.sources.size(), 2u);
    EXPECT_EQ(stack.sources[0]->spec().name, "b");
    EXPECT_EQ(stack.sources[0]->spec().spool_dir, "/state/spool");
}

TEST(Config, ASyntaxMistakeHasItsPlace) {
    const ConfigReading reading = read_config_text("[stack]\nname = small\n", "i.toml", false);
    ASSERT_EQ(reading.lines().size(), 1u);
    EXPECT_TRUE(reading.lines()[0].starts_with("i.toml:2: column ")) << reading.lines()[0];
}

TEST(Config, AFileThatIsNotThereSaysHowToMakeOne) {
    try {
        read_config(real_filesystem(), "/nonexistent/i.toml", false);
        FAIL();
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), Code::usage);
        EXPECT_NE(error.hint().find("config generate"), std::string::npos);
    }
}

TEST(Config, TheErrorHoldsEveryMistake) {
    const Error error = read_config_text("", "i.toml", false).error();
    EXPECT_EQ(error.code(), Code::usage);
    EXPECT_TRUE(std::string(error.what()).starts_with("the config has 4 mistakes\n  i.toml:1: ")) << error.what();
}

}  // namespace ingot
