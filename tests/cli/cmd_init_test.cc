#include <sys/stat.h>

#include "cli/commands.h"
#include "tests/cli/command_fixture.h"

namespace ingot {

using InitTest = CommandTest;

TEST_F(InitTest, MakesTheKeyFileThatTheConfigNamesAndSaysSoLoudly) {
    const Ran ran = run({"init"});
    EXPECT_EQ(ran.exit, 0) << ran.err;
    EXPECT_TRUE(holds(ran.err, "KEEP A COPY"));
    EXPECT_TRUE(dir.read("key").starts_with("ingot-key-1 "));
    struct stat st {};
    ASSERT_EQ(::stat(dir.at("key").c_str(), &st), 0);
    EXPECT_EQ(st.st_mode & 0777, 0600u);
}

TEST_F(InitTest, OntoARepositoryChangesNothing) {
    init();
    const std::string key = dir.read("key");
    dir.write("other", dir.read("ingot.toml"));
    EXPECT_EQ(run({"init"}).exit, 1);
    EXPECT_EQ(dir.read("key"), key);
    EXPECT_EQ(run({"init", "--key-file", dir.at("fresh")}).exit, 1);
    EXPECT_FALSE(dir.has("fresh")) << "a key that opens nothing was made";
}

TEST_F(InitTest, NoEncryptionMustBeSaid) {
    const Ran refused = run_plain({"init", "-r", dir.at("plain")});
    EXPECT_EQ(refused.exit, 2);
    EXPECT_TRUE(holds(refused.err, "--no-encryption"));
    EXPECT_EQ(run_plain({"init", "-r", dir.at("plain"), "--no-encryption"}).exit, 0);
    EXPECT_EQ(run_plain({"list", "-r", dir.at("plain")}).exit, 0);
    // A key file that the config names, and this repository does not need, is not missed.
    EXPECT_EQ(run({"list", "-r", dir.at("plain")}).exit, 0);
}

}  // namespace ingot
