#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "tests/cli/command_fixture.h"

namespace ingot {

using ListTest = CommandTest;

TEST_F(ListTest, ShowsEverySnapshotAndFilters) {
    init();
    EXPECT_EQ(run({"list"}).out, "") << "nothing but the result";
    const std::string first = snapshot({"--tag", "one"});
    const std::string second = snapshot({"--golden"});
    const Ran all = run({"list"});
    EXPECT_TRUE(holds(all.out, first) && holds(all.out, second) && holds(all.out, "golden") && holds(all.out, "docs,env"))
        << all.out;
    EXPECT_FALSE(holds(run({"list", "--golden"}).out, first));
    EXPECT_FALSE(holds(run({"list", "--tag", "one"}).out, second));
    EXPECT_EQ(run({"list", "--stack", "other", "--json"}).out, "");
}

TEST_F(ListTest, WorksWithoutAConfig) {
    init();
    const std::string id = snapshot();
    const Ran ran = run_plain({"-r", dir.at("repo"), "--key-file", dir.at("key"), "list"});
    EXPECT_EQ(ran.exit, 0) << ran.err;
    EXPECT_TRUE(holds(ran.out, id));
}

TEST_F(ListTest, ShowGivesTheManifestAsItIsStored) {
    init();
    const std::string id = snapshot({"--golden"});
    const Ran ran = run({"show", id, "--json"});
    ASSERT_EQ(ran.exit, 0) << ran.err;
    const nlohmann::json shown = nlohmann::json::parse(ran.out);
    EXPECT_EQ(shown["message_type"], "snapshot");
    EXPECT_TRUE(shown["id"].get<std::string>().starts_with(id));
    EXPECT_EQ(shown["manifest"]["stack"], "small");
    EXPECT_FALSE(shown["attestations"].empty());
    EXPECT_TRUE(holds(run({"show", "golden"}).out, "golden at "));
    EXPECT_EQ(run({"show", "ffffffff"}).exit, 1);
}

}  // namespace ingot
