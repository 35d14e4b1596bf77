#include "cli/commands.h"
#include "tests/cli/command_fixture.h"

namespace ingot {

using ConfigCommandTest = CommandTest;

TEST_F(ConfigCommandTest, ValidateReportsEveryMistake) {
    EXPECT_EQ(run({"config", "validate"}).exit, 0);
    write_config("[sources.x]\ndriver = \"fils\"\n[barier]\n");
    const Ran ran = run({"config", "validate"});
    EXPECT_EQ(ran.exit, 2);
    EXPECT_TRUE(holds(ran.out, "ingot.toml:18: there is no driver \"fils\"") &&
                holds(ran.out, "ingot.toml:19: there is no table `barier`"))
        << ran.out;
    EXPECT_TRUE(holds(ran.out, "has 2 mistakes"));
    EXPECT_TRUE(holds(run({"config", "validate", "--json"}).out, "\"line\":18,"));
    EXPECT_EQ(run_plain({"config", "validate", dir.at("none.toml")}).exit, 2);
}

TEST_F(ConfigCommandTest, ShowSaysWhereEachValueCameFrom) {
    const Ran ran = run({"config", "show", "-r", "/elsewhere"});
    EXPECT_EQ(ran.exit, 0) << ran.err;
    EXPECT_TRUE(holds(ran.out, "path = \"/elsewhere\"") && holds(ran.out, "# -r\n") && holds(ran.out, "ingot.toml:3\n"))
        << ran.out;
    EXPECT_TRUE(holds(ran.out, "golden_max_age = \"7d\"")) << ran.out;
}

TEST_F(ConfigCommandTest, GenerateGivesAConfigThatIsGood) {
    dir.write("made.toml", run_plain({"config", "generate", dir.at("stack")}).out);
    const Ran ran = run_plain({"config", "validate", dir.at("made.toml")});
    EXPECT_EQ(ran.exit, 0) << ran.out;
}

}  // namespace ingot
