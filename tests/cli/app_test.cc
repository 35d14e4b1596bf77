#include "cli/app.h"

#include "tests/cli/command_fixture.h"

namespace ingot {

using AppTest = CommandTest;

TEST_F(AppTest, UsageMistakesAreStatusTwoOnStandardError) {
    const Ran ran = run_plain({"lst"});
    EXPECT_EQ(ran.exit, 2);
    EXPECT_EQ(ran.out, "");
    EXPECT_EQ(ran.err, "ingot: ingot has no command `lst`; did you mean `list`?\n  hint: `ingot help` lists the commands\n");
}

TEST_F(AppTest, UnderJsonErrorsAreJsonToo) {
    const Ran ran = run_plain({"lst", "--json"});
    EXPECT_EQ(ran.exit, 2);
    EXPECT_TRUE(ran.err.starts_with("{\"message_type\":\"error\",\"code\":\"usage\"")) << ran.err;
    EXPECT_TRUE(ran.err.ends_with(",\"exit\":2}\n"));
}

TEST_F(AppTest, AFailedSnapshotStillEndsWithASummary) {
    const Ran ran = run({"snapshot", "--json"});
    EXPECT_EQ(ran.exit, 10) << "no repository was made";
    EXPECT_EQ(ran.out, "{\"message_type\":\"summary\",\"outcome\":\"failed\",\"exit\":10}\n");
}

TEST_F(AppTest, HelpAndVersionGoToStandardOutput) {
    EXPECT_TRUE(holds(run_plain({"help"}).out, "snapshot"));
    EXPECT_EQ(run_plain({"help"}).exit, 0);
    EXPECT_TRUE(run_plain({"version"}).out.starts_with("ingot "));
    EXPECT_TRUE(run_plain({"--version"}).out.starts_with("ingot "));
}

TEST_F(AppTest, APassphraseOnTheCommandLineIsWipedFromThere) {
    std::string program = "ingot", flag = "--password=canary-9f3", command = "list";
    char* argv[] = {program.data(), flag.data(), command.data(), nullptr};
    testing::internal::CaptureStderr();
    EXPECT_EQ(run_ingot(3, argv, real_filesystem()), 2);
    EXPECT_FALSE(holds(testing::internal::GetCapturedStderr(), "canary"));
    EXPECT_FALSE(holds(flag, "canary"));
}

TEST_F(AppTest, NoSecretIsEverPrinted) {
    // A passphrase is slow on purpose, so it opens once; the rest is done with a key file, whose digits are the canary then.
    std::string all;
    const auto take = [&](const std::vector<std::string>& words, int exit) {
        const Ran ran = run(words);
        EXPECT_EQ(ran.exit, exit) << ran.err;
        all += ran.out + ran.err;
        return ran.out;
    };
    take({"init"}, 0);
    const std::string key = dir.read("key").substr(12, 64);
    dir.write("passphrase", "canary-passphrase\n");
    take({"key", "add", "--new-passphrase-file", dir.at("passphrase")}, 0);
    ::setenv("INGOT_PASSWORD", "canary-passphrase", 1);
    take({"snapshot", "-v", "--golden"}, 0);
    EXPECT_EQ(std::getenv("INGOT_PASSWORD"), nullptr);
    ::setenv("INGOT_PASSWORD", "canary-wrong", 1);
    take({"list"}, 12);
    dir.write("stack/.env", "TOKEN=canary-changed\n");
    take({"snapshot"}, 0);
    EXPECT_TRUE(holds(take({"diff", "latest~1", "latest"}, 0), "~TOKEN"));
    for (const std::vector<std::string>& words : {std::vector<std::string>{"show", "latest", "--json"},
                                                  {"ls", "-l", "latest"},
                                                  {"config", "show"},
                                                  {"stats"},
                                                  {"key", "list"}}) {
        take(words, 0);
    }
    EXPECT_FALSE(holds(all, key));
    EXPECT_FALSE(holds(all, "canary")) << all;
}

}  // namespace ingot
