#include "cli/config_notify.h"

#include <gtest/gtest.h>

namespace ingot {
namespace {

// 8 lines; what is added begins at line 9.
const std::string kGood =
    "[repository]\npath = \"/r\"\n[stack]\nname = \"s\"\nroot = \"/opt/s\"\n[sources.docs]\ndriver = \"files\"\npath = "
    "\"docs\"\n";

ConfigReading reading_of(const std::string& more) { return read_config_text(kGood + more, "/etc/i.toml", false); }

using Lines = std::vector<std::string>;

TEST(ConfigNotify, IsTakenWithItsDefaults) {
    const ConfigReading reading = reading_of(
        "[notify]\nwebhook_env = \"SLACK_WEBHOOK\"\nwebhook_template = '{\"text\": \"{{text}}\"}'\nhealthchecks = "
        "\"https://hc.example/ping/uuid\"\ncommand = \"ops/event.sh\"\n[metrics]\ntextfile = \"ingot.prom\"\n");
    EXPECT_EQ(reading.lines(), Lines{});
    EXPECT_EQ(reading.config.notify.webhook_env, "SLACK_WEBHOOK");
    EXPECT_EQ(reading.config.notify.command, "ops/event.sh");
    EXPECT_EQ(reading.config.notify.on, (std::set<std::string>{"failure", "restore"}));
    EXPECT_EQ(reading.config.metrics_textfile, "/etc/ingot.prom");
    EXPECT_FALSE(reading_of("").config.notify.any());
    EXPECT_EQ(reading_of("[notify]\ncommand = \"x\"\non = [\"verify\"]\n").config.notify.on, std::set<std::string>{"verify"});
}

TEST(ConfigNotify, MistakesHaveTheirLinesAndQuoteNoUrl) {
    EXPECT_EQ(
        reading_of("[notify]\nhealthchecks = \"hc.example/s3cret\"\non = [\"failures\"]\nwebhook_env = "
                   "\"https://hooks.example/s3cret\"\nwebhok = 1\n")
            .lines(),
        (Lines{"/etc/i.toml:10: `healthchecks` wants a url that begins with http:// or https://",
               "/etc/i.toml:11: `on`: there is no event \"failures\"; did you mean `failure`?; there are: failure, restore, "
               "snapshot, promote, verify, drill",
               "/etc/i.toml:12: `webhook_env` wants the name of an environment variable, such as \"SLACK_WEBHOOK\", which "
               "holds the url; not the url itself",
               "/etc/i.toml:13: [notify] has no key `webhok`"}));
    EXPECT_EQ(reading_of("[notify]\non = [\"failure\"]\n").lines(),
              Lines{"/etc/i.toml:9: [notify] names nobody: `webhook_env`, `healthchecks`, `healthchecks_env` or `command`"});
    EXPECT_EQ(reading_of("[notify]\nhealthchecks = \"https://a/b\"\nhealthchecks_env = \"B\"\n").lines(),
              Lines{"/etc/i.toml:11: [notify] has `healthchecks` and `healthchecks_env`: one of them is enough"});
}

TEST(ConfigNotify, ATemplateThatMakesNoJsonIsAMistake) {
    EXPECT_EQ(reading_of("[notify]\nwebhook_env = \"A\"\nwebhook_template = '{\"text\": {{text}'\n").lines(),
              Lines{"/etc/i.toml:11: `webhook_template`: what comes out is not JSON; values stand between quotes: { \"text\": "
                    "\"{{text}}\" }"});
    EXPECT_EQ(reading_of("[notify]\ncommand = \"x\"\nwebhook_template = '{\"text\": \"{{text}}\"}'\n").lines(),
              Lines{"/etc/i.toml:11: [notify] has `webhook_template` without `webhook_env`: where would it go?"});
}

TEST(ConfigMetrics, WantAFileThatTheCollectorReads) {
    EXPECT_EQ(reading_of("[metrics]\ntextfile = \"/var/ingot.txt\"\n").lines(),
              Lines{"/etc/i.toml:10: `textfile` wants a name that ends in .prom: node_exporter reads no other"});
    EXPECT_EQ(reading_of("[metrics]\n").lines(),
              Lines{"/etc/i.toml:9: [metrics] needs `textfile`, such as textfile = \"/var/lib/node_exporter/ingot.prom\""});
}

}  // namespace
}  // namespace ingot
