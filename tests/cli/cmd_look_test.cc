#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "tests/cli/command_fixture.h"

namespace ingot {

using LookTest = CommandTest;

TEST_F(LookTest, ListsEntriesBelowAPath) {
    init();
    const std::string id = snapshot();
    EXPECT_EQ(run({"ls", id}).out, "docs/docs\ndocs/docs/a.txt\ndocs/docs/b.txt\nenv/.env\n");
    EXPECT_EQ(run({"ls", id, "docs/a.txt"}).out, "docs/docs/a.txt\n");
    EXPECT_EQ(run({"ls", id, "env"}).out, "env/.env\n");
    EXPECT_EQ(run({"ls", id, "nowhere"}).exit, 1);
    EXPECT_TRUE(holds(run({"ls", "-l", id, "docs/a.txt"}).out, "-rw"));
}

TEST_F(LookTest, Sha256IsWhatSha256sumChecks) {
    init();
    snapshot();
    dir.write("sums", run({"ls", "--sha256", "latest"}).out);
    EXPECT_EQ(std::system(("cd '" + dir.at("stack") + "' && sha256sum --quiet --strict -c '" + dir.at("sums") + "'").c_str()), 0);
}

TEST_F(LookTest, CatPrintsTheBytesAndNothingElse) {
    init();
    const std::string bytes("\x00\xff\n\r\n tail", 10);
    dir.write("stack/docs/raw", bytes);
    dir.write("stack/docs/empty", "");
    snapshot();
    EXPECT_EQ(run({"cat", "latest", "docs/raw"}).out, bytes);
    EXPECT_EQ(run({"cat", "latest", "docs/docs/raw"}).out, bytes);
    EXPECT_EQ(run({"cat", "latest", "docs/empty"}).out, "");
    EXPECT_EQ(run({"cat", "latest", ".env"}).out, "TOKEN=canary-9f3\nMODE=prod\n") << "not a terminal";
    EXPECT_EQ(run({"cat", "latest", "docs"}).exit, 1) << "a folder";
    EXPECT_EQ(run({"cat", "latest", "docs/none"}).exit, 1);
}

TEST_F(LookTest, PathsThatAreNotTextKeepTheirBytesInJson) {
    init();
    dir.write("stack/docs/\xff\n", "x");
    snapshot();
    const Ran ran = run({"ls", "latest", "--json"});
    EXPECT_TRUE(holds(ran.out, "\"path\":\"docs/\\\\xff\\\\x0a\",\"path_hex\":\"646f63732fff0a\"")) << ran.out;
    EXPECT_TRUE(holds(run({"ls", "latest"}).out, "docs/docs/\\xff\\x0a\n"));
}

}  // namespace ingot
