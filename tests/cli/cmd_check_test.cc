#include "cli/commands.h"
#include "tests/cli/command_fixture.h"

namespace ingot {

using CheckTest = CommandTest;

TEST_F(CheckTest, AWholeRepositoryIsClean) {
    init();
    snapshot();
    const Ran ran = run({"check"});
    EXPECT_EQ(ran.exit, 0) << ran.out << ran.err;
    EXPECT_TRUE(ran.out.starts_with("no damage found")) << ran.out;
    EXPECT_EQ(run({"check", "--quick"}).exit, 0);
}

TEST_F(CheckTest, AMissingPackIsStatusTwentyWithWhatIsLost) {
    init();
    snapshot();
    FileSystem& fs = real_filesystem();
    std::string pack;
    fs.list(dir.at("repo/packs"), [&](const std::string& shard) {
        fs.list(join(dir.at("repo/packs"), shard),
                [&](const std::string& name) { pack = join(join(dir.at("repo/packs"), shard), name); });
    });
    fs.remove(pack);
    const Ran ran = run({"check"});
    EXPECT_EQ(ran.exit, 20) << ran.out << ran.err;
    EXPECT_TRUE(holds(ran.out, "damage: ")) << ran.out;
}

TEST_F(CheckTest, TheIndexIsMadeAnew) {
    init();
    snapshot();
    remove_tree(real_filesystem(), dir.at("repo/index"));
    EXPECT_EQ(run({"check", "--rebuild-index"}).exit, 0);
    EXPECT_EQ(run({"verify"}).exit, 0);
    EXPECT_EQ(run({"check", "--repair"}).exit, 0);
}

}  // namespace ingot
