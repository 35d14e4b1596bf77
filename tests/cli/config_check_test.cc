#include "cli/config_check.h"

#include <gtest/gtest.h>

#include "cli/config.h"
#include "drivers/registry.h"

namespace ingot {

static std::vector<std::string> mistakes_of(const std::string& document) {
    return read_config_text(document, "i.toml", false).lines();
}

static std::string names_of_drivers() {
    std::string names;
    for (const DriverInfo& info : all_drivers()) names += (names.empty() ? "" : ", ") + std::string(info.name);
    return names;
}

static const std::string kGood =
    "[repository]\npath = \"/r\"\n[stack]\nname = \"s\"\nroot = \"/opt/s\"\n[sources.docs]\ndriver = \"files\"\npath = "
    "\"docs\"\n";

TEST(ConfigCheck, AGoodConfigHasNoMistakes) {
    EXPECT_EQ(mistakes_of(kGood), std::vector<std::string>{});
    EXPECT_EQ(mistakes_of(kGood + "[barrier]\npause = \"a\"\nresume = \"b\"\nmax_pause = \"2s\"\n[state]\ndir = \"/s\"\n"),
              std::vector<std::string>{});
}

TEST(ConfigCheck, AllMistakesAreReportedAtOnceWithTheirLines) {
    const std::string document =
        "[repository]\n"                 // 1
        "pth = \"/r\"\n"                 // 2
        "keyfile = \"/k\"\n"             // 3
        "\n"                             // 4
        "[stack]\n"                      // 5
        "name = 7\n"                     // 6
        "root = \"opt/s\"\n"             // 7
        "tries = 0\n"                    // 8
        "golden_requires = \"pined\"\n"  // 9
        "\n"                             // 10
        "[barier]\n"                     // 11
        "[barrier]\n"                    // 12
        "pause = \"x\"\n"                // 13
        "max_pause = \"soon\"\n"         // 14
        "\n"                             // 15
        "[sources.db]\n"                 // 16
        "driver = \"sqlit\"\n"           // 17
        "\n"                             // 18
        "[sources.docs]\n"               // 19
        "driver = \"files\"\n"           // 20
        "exlude = [\"*.tmp\"]\n"         // 21
        "min_ratio = 2\n"                // 22
        "\n"                             // 23
        "[retention]\n"                  // 24
        "keep_last = 7\n";               // 25
    const std::vector<std::string> want = {
        "i.toml:1: [repository] needs `path`, such as path = \"/var/lib/ingot/repo\"",
        "i.toml:2: [repository] has no key `pth`; did you mean `path`?",
        "i.toml:3: [repository] has no key `keyfile`; did you mean `key_file`?",
        "i.toml:6: `name` wants text in quotes, not a number",
        "i.toml:7: `root` wants an absolute path, and \"opt/s\" is relative",
        "i.toml:8: `tries` wants a number from 1 to 100",
        "i.toml:9: `golden_requires` wants \"fuzzy\", \"pinned\" or \"barrier\"; did you mean `pinned`?",
        "i.toml:11: there is no table `barier`; did you mean `barrier`?",
        "i.toml:13: [barrier] has `pause` without `resume`: the writers would stay paused",
        "i.toml:14: `max_pause`: \"soon\" is not a length of time; write a number and a unit: 250ms, 10s, 5m, 26h, 7d",
        "i.toml:17: there is no driver \"sqlit\"; did you mean `sqlite`?; there are: " + names_of_drivers(),
        "i.toml:19: [sources.docs] needs `path`, such as path = \"data/app.db\"",
        "i.toml:21: [sources.docs] has no key `exlude`; did you mean `exclude`?",
        "i.toml:22: `min_ratio` wants a number from 0 to 1",
        "i.toml:24: [retention] is not supported by this version of ingot",
    };
    EXPECT_EQ(mistakes_of(document), want);
}

TEST(ConfigCheck, WhatIsMissingAltogetherIsSaid) {
    const std::vector<std::string> want = {
        "i.toml:1: [repository] needs `path`, such as path = \"/var/lib/ingot/repo\"",
        "i.toml:1: [stack] needs `name`, such as name = \"raggen\"",
        "i.toml:1: [stack] needs `root`, such as root = \"/opt/raggen\"",
        "i.toml:1: there is no [sources.NAME]: nothing would be protected",
    };
    EXPECT_EQ(mistakes_of(""), want);
    EXPECT_EQ(read_config_text("", "i.toml", true).mistakes.size(), 3u) << "the repository was named elsewhere";
}

TEST(ConfigCheck, BarrierForGoldenNeedsAPause) {
    EXPECT_EQ(mistakes_of("[repository]\npath = \"/r\"\n[stack]\nname = \"s\"\nroot = \"/\"\ngolden_requires = \"barrier\"\n"
                          "[sources.d]\ndriver = \"files\"\npath = \"d\"\n"),
              (std::vector<std::string>{"i.toml:6: `golden_requires` = \"barrier\" needs [barrier] `pause` and `resume`"}));
}

TEST(ConfigCheck, ObjectStorageIsSaidToBeMissing) {
    const auto lines = mistakes_of(
        "[repository]\npath = \"s3://b/p\"\n[stack]\nname = \"s\"\nroot = \"/\"\n[sources.d]\ndriver = \"files\"\npath = "
        "\"d\"\n");
    ASSERT_EQ(lines.size(), 1u);
    EXPECT_EQ(lines[0], "i.toml:2: `path`: object storage is not supported by this version of ingot; name a folder");
}

}  // namespace ingot
