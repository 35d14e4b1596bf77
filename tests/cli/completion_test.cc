#include "cli/completion.h"

#include <gtest/gtest.h>

#include <fstream>
#include <set>
#include <sstream>

#include "base/process.h"
#include "tests/cli/command_fixture.h"

namespace ingot {
namespace {

// The script in a file, and what a shell makes of it.
class CompletionTest : public CommandTest {
protected:
    std::string script(const std::string& shell) {
        const std::string path = dir.at("ingot." + shell);
        std::ofstream(path, std::ios::binary) << completion_script(shell);
        return path;
    }

    // The words that bash offers for the last of `words`, as if the tab key had been pressed there.
    std::set<std::string> offered(const std::vector<std::string>& words) {
        std::string list = "ingot";
        for (const std::string& word : words) list += " '" + word + "'";
        const CommandResult result = run_checked(
            Command::shell(
                "bash --norc -c 'mkdir -p " + folder_ + "; cd " + folder_ + "; . " + script("bash") +
                    "; COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); _ingot; printf \"%s\\n\" \"${COMPREPLY[@]}\"' bash " + list,
                ""),
            "bash");
        EXPECT_EQ(result.err, "");
        std::set<std::string> out;
        std::istringstream lines(result.out);
        for (std::string line; std::getline(lines, line);) {
            if (!line.empty()) out.insert(line);
        }
        return out;
    }

    std::string folder_ = dir.at("stack/shell");
    using Offered = std::set<std::string>;
};

TEST_F(CompletionTest, BashTakesTheScript) {
    EXPECT_EQ(ingot::run(Command::shell("bash -n " + script("bash"), "")).err, "");
    EXPECT_EQ(run_checked(Command::shell("bash -c '. " + script("bash") + "; complete -p ingot'", ""), "bash").out,
              "complete -F _ingot ingot\n");
}

TEST_F(CompletionTest, BashOffersCommandsByTheirFirstLetters) {
    EXPECT_EQ(offered({"sn"}), (Offered{"snapshot", "snapshots"}));
    const Offered all = offered({""});
    for (const char* name : {"init", "snapshot", "backup", "restore", "key", "config", "completion", "help", "version"}) {
        EXPECT_TRUE(all.contains(name)) << name;
    }
    EXPECT_EQ(offered({"key", ""}), (Offered{"add", "list", "passwd", "remove"}));
    EXPECT_EQ(offered({"--json", "-c", "list", "config", "v"}), (Offered{"validate"}));
    EXPECT_TRUE(offered({"help", "sn"}).contains("snapshot"));
}

TEST_F(CompletionTest, BashOffersTheFlagsOfTheCommandAndThoseOfAll) {
    EXPECT_EQ(offered({"snapshot", "--g"}), (Offered{"--golden"}));
    EXPECT_EQ(offered({"backup", "--g"}), (Offered{"--golden"}));
    EXPECT_EQ(offered({"restore", "golden", "--dr"}), (Offered{"--dry-run"}));
    EXPECT_EQ(offered({"key", "add", "--new-k"}), (Offered{"--new-key-file"}));
    EXPECT_TRUE(offered({"list", "-"}).contains("--lock-wait"));
    EXPECT_TRUE(offered({"list", "-"}).contains("-t"));
    EXPECT_FALSE(offered({"list", "-"}).contains("--dry-run"));
    EXPECT_EQ(offered({"--js"}), (Offered{"--json"}));
}

TEST_F(CompletionTest, BashOffersValuesOfTheirKind) {
    run_checked(Command::shell("mkdir -p shell; cd shell; mkdir 'a folder'; touch 'a file' other", dir.at("stack")), "files");
    EXPECT_EQ(offered({"-c", "a"}), (Offered{"a file", "a folder"}));
    EXPECT_EQ(offered({"restore", "golden", "--to", "a"}), (Offered{"a folder"}));
    EXPECT_EQ(offered({"restore", "--to", "=", "a"}), (Offered{"a folder"}));
    EXPECT_EQ(offered({"config", "validate", "o"}), (Offered{"other"}));
    EXPECT_EQ(offered({"restore", "g"}), (Offered{"golden"}));
    EXPECT_EQ(offered({"restore", "--only", "db", "g"}), (Offered{"golden"}));
    EXPECT_EQ(offered({"diff", "latest", ""}), (Offered{"golden", "latest"}));
    EXPECT_EQ(offered({"show", "latest", ""}), Offered{});
    EXPECT_EQ(offered({"completion", ""}), (Offered{"bash", "zsh"}));
    EXPECT_EQ(offered({"restore", "--at", ""}), Offered{});
}

TEST_F(CompletionTest, ZshTakesTheScriptAndIsToldTheSame) {
    const std::string path = script("zsh");
    const std::string text = completion_script("zsh");
    EXPECT_TRUE(text.starts_with("#compdef ingot\n"));
    for (const char* part : {"'snapshot:Take a snapshot of the stack'", "'*--golden[", "'*--to=[", ":value:_files -/'",
                             "'1:bash or zsh:(bash zsh)'"}) {
        EXPECT_TRUE(holds(text, part)) << part;
    }
    if (ingot::run(Command::shell("command -v zsh", "")).status != 0) {
        if (std::getenv("CI") != nullptr) FAIL() << "zsh is not installed";
        GTEST_SKIP() << "zsh is not installed";
    }
    EXPECT_EQ(ingot::run(Command::shell("zsh -f -n " + path, "")).err, "");
    // The completion system is replaced by a recorder: what the script tells it is what matters.
    const std::string recorder =
        "compdef() { :; }; _arguments() { print -rl -- \"$@\"; line=(key add); state=$wanted; }; _describe() { print -rl -- "
        "${(P)4}; };";
    const auto told = [&](const std::string& wanted) {
        return run_checked(Command::shell("zsh -f -c '" + recorder + " wanted=" + wanted + "; . " + path + "; _ingot'", ""),
                           "zsh")
            .out;
    };
    EXPECT_TRUE(holds(told("command"), "snapshot:Take a snapshot of the stack"));
    EXPECT_TRUE(holds(told("command"), "*--json[JSON lines in place of text]"));
}

TEST_F(CompletionTest, TheCommandPrintsItAndRefusesOtherShells) {
    const Ran ran = run({"completion", "bash"});
    EXPECT_EQ(ran.exit, 0);
    EXPECT_EQ(ran.out, completion_script("bash"));
    EXPECT_EQ(run({"completion", "fish"}).exit, 2);
    EXPECT_EQ(run({"completion"}).exit, 2);
}

}  // namespace
}  // namespace ingot
