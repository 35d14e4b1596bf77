#include "cli/commands.h"
#include "tests/cli/command_fixture.h"

namespace ingot {

using DiffTest = CommandTest;

TEST_F(DiffTest, ShowsWhatChangedAndOnlyTheNamesOfKeys) {
    init();
    snapshot();
    dir.write("stack/docs/a.txt", "alpha, longer\n");
    dir.write("stack/docs/c.txt", "gamma\n");
    dir.write("stack/.env", "TOKEN=canary-new\nFRESH=canary-fresh\n");
    snapshot();
    const Ran ran = run({"diff", "latest~1", "latest"});
    EXPECT_EQ(ran.exit, 0) << ran.err;
    EXPECT_TRUE(holds(ran.out, "changed  docs/docs/a.txt  (6 B -> 14 B, 14 B new)\n")) << ran.out;
    EXPECT_TRUE(holds(ran.out, "added    docs/docs/c.txt  (6 B)\n")) << ran.out;
    EXPECT_TRUE(holds(ran.out, "~TOKEN") && holds(ran.out, "+FRESH") && holds(ran.out, "-MODE")) << ran.out;
    EXPECT_FALSE(holds(ran.out + run({"diff", "latest~1", "latest", "--json"}).out, "canary"));
}

TEST_F(DiffTest, StatsCountsWhatIsStored) {
    init();
    snapshot();
    const Ran ran = run({"stats", "--json"});
    EXPECT_EQ(ran.exit, 0) << ran.err;
    EXPECT_TRUE(holds(ran.out, "\"snapshots\":1,")) << ran.out;
    EXPECT_TRUE(holds(run({"stats"}).out, "encrypted   yes"));
}

}  // namespace ingot
