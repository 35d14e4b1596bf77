#include "cli/arguments.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "tests/cli/command_fixture.h"

namespace ingot {

static std::string mistake(const std::vector<std::string>& words) {
    try {
        parse_arguments(words);
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), Code::usage);
        EXPECT_FALSE(holds(error.what(), "canary") || holds(error.hint(), "canary")) << "a secret is in the error";
        return error.what();
    }
    return "";
}

TEST(Arguments, GlobalFlagsStandBeforeOrBehindTheCommand) {
    for (const std::vector<std::string>& words :
         {std::vector<std::string>{"-r", "repo", "--json", "--lock-wait", "5s", "list", "--golden"},
          {"list", "--golden", "--repo=repo", "--json", "--lock-wait=5s"},
          {"list", "-rrepo", "--golden", "--lock-wait", "5s", "--json"}}) {
        const Arguments arguments = parse_arguments(words);
        EXPECT_EQ(arguments.command, "list");
        EXPECT_EQ(arguments.global.repository, "repo");
        EXPECT_TRUE(arguments.global.json);
        EXPECT_EQ(arguments.global.lock_wait_ms, 5000);
        EXPECT_TRUE(arguments.look.golden);
    }
    EXPECT_EQ(parse_arguments({"key", "list", "-vv"}).global.verbosity, 2);
}

TEST(Arguments, OldNamesAreTheSameCommands) {
    EXPECT_EQ(parse_arguments({"backup"}).command, "snapshot");
    EXPECT_EQ(parse_arguments({"snapshots"}).command, "list");
    EXPECT_EQ(parse_arguments({"key", "add", "--label", "x"}).command, "key add");
    EXPECT_EQ(parse_arguments({"--version"}).command, "version");
}

TEST(Arguments, ListsTakeOneValueForEachFlag) {
    const Arguments promote = parse_arguments({"promote", "--accept", "docs", "3f2a91bc", "--accept", "db"});
    EXPECT_EQ(promote.promote.which, "3f2a91bc");
    EXPECT_EQ(promote.promote.accept, (std::vector<std::string>{"docs", "db"}));
    EXPECT_EQ(parse_arguments({"snapshot", "--tag", "a", "--tag", "b"}).snapshot.tags, (std::vector<std::string>{"a", "b"}));
    EXPECT_EQ(parse_arguments({"restore", "--only", "a,b", "latest"}).restore.only, (std::vector<std::string>{"a", "b"}));
}

TEST(Arguments, OperandsMayBeNamedLikeCommands) {
    EXPECT_EQ(parse_arguments({"ls", "latest", "list"}).look.path, "list");
    EXPECT_EQ(parse_arguments({"cat", "latest", "--", "--json"}).look.path, "--json");
}

TEST(Arguments, UnknownCommandsAndFlagsNameTheNearest) {
    EXPECT_EQ(mistake({"snapshto"}), "ingot has no command `snapshto`; did you mean `snapshot`?");
    EXPECT_EQ(mistake({"prune"}), "ingot has no command `prune`");
    EXPECT_EQ(mistake({"key", "ad"}), "ingot has no command `key ad`; did you mean `add`?");
    EXPECT_EQ(mistake({"list", "--goldne"}), "ingot list has no flag `--goldne`; did you mean `--golden`?");
    EXPECT_EQ(mistake({"init", "--lable=canary"}), "ingot init has no flag `--lable`; did you mean `--label`?");
    EXPECT_EQ(mistake({"show", "a", "b"}), "ingot show does not know what to do with \"b\"");
    EXPECT_EQ(mistake({}), "no command was given");
    EXPECT_EQ(mistake({"key"}), "ingot key wants one of: add, passwd, remove, list");
}

TEST(Arguments, APassphraseIsRefusedAndNotRepeated) {
    for (const std::vector<std::string>& words : {std::vector<std::string>{"--password=canary", "list"},
                                                  {"list", "--password", "canary"},
                                                  {"list", "--passphrase=canary"},
                                                  {"list", "--password-file=canary"}}) {
        EXPECT_TRUE(holds(mistake(words), "does not exist"));
    }
}

TEST(Arguments, MissingAndClashingOperandsAreSaid) {
    EXPECT_TRUE(holds(mistake({"show"}), "wants the id of a snapshot"));
    EXPECT_TRUE(holds(mistake({"cat", "latest"}), "wants the path"));
    EXPECT_TRUE(holds(mistake({"diff", "a"}), "ids of two snapshots"));
    EXPECT_TRUE(holds(mistake({"restore"}), "which snapshot"));
    EXPECT_TRUE(holds(mistake({"restore", "latest", "--at", "now"}), "not both"));
    EXPECT_TRUE(holds(mistake({"restore", "--resume", "--undo"}), "not both"));
    EXPECT_TRUE(holds(mistake({"restore", "--resume", "latest"}), "nothing else"));
    EXPECT_TRUE(holds(mistake({"restore", "--resume", "--keep-replaced", "/kept"}), "nothing else"));
    EXPECT_TRUE(holds(mistake({"restore", "latest", "--to", "/t", "--keep-replaced", "/kept"}), "not both"));
    EXPECT_TRUE(holds(mistake({"verify", "latest", "--all"}), "not both"));
    EXPECT_TRUE(holds(mistake({"list", "--lock-wait", "soon"}), "length of time"));
    EXPECT_FALSE(mistake({"snapshot", "--tag"}).empty());
}

TEST(Arguments, SharesAreWrittenBothWays) {
    EXPECT_DOUBLE_EQ(parse_share("5%"), 0.05);
    EXPECT_DOUBLE_EQ(parse_share("0.05"), 0.05);
    EXPECT_DOUBLE_EQ(parse_share("100%"), 1);
    for (const char* bad : {"0", "101%", "-1", "x", "", "5 %"}) EXPECT_THROW(parse_share(bad), Error) << bad;
}

TEST(Arguments, EveryCommandHasHelpWithAnExample) {
    for (const char* name :
         {"init", "snapshot", "list", "show", "ls", "cat", "diff", "verify", "promote", "restore", "stats", "check", "version"}) {
        EXPECT_TRUE(holds(parse_arguments({"help", name}).help, "Example:\n  ingot")) << name;
        EXPECT_EQ(parse_arguments({name, "--help"}).help, parse_arguments({"help", name}).help);
    }
    EXPECT_TRUE(holds(parse_arguments({"help", "key", "add"}).help, "--new-key-file"));
    EXPECT_TRUE(holds(parse_arguments({"help"}).help, "--no-progress"));
    EXPECT_EQ(mistake({"help", "lst"}), "ingot has no command `lst`; did you mean `list`?");
}

}  // namespace ingot
