#include "drivers/command_settings.h"

#include "command_fixture.h"

namespace ingot {
namespace {

class CommandSettingsTest : public CommandTestBase {
protected:
    Error error_with(const std::string& key, const std::string& value) {
        SourceSpec spec = spec_;
        spec.options = {{"snapshot", "true"}, {"restore", "true"}};
        spec.options[key] = value;
        const Error error = error_of([&] { command_settings(spec); });
        EXPECT_EQ(error.code(), Code::usage) << key;
        EXPECT_FALSE(error.hint().empty()) << key;
        return error;
    }
};

TEST_F(CommandSettingsTest, NeedsNothingButTheSnapshotCommand) {
    const CommandSettings out = settings("docker compose config");
    EXPECT_EQ(out.snapshot, "docker compose config");
    EXPECT_TRUE(out.restore.empty() && out.check.empty() && out.facts.empty());
    EXPECT_EQ(out.name, "app.out");
    EXPECT_EQ(out.directory, spec_.root);
    EXPECT_EQ(out.moment, ShownMoment::end);
    EXPECT_EQ(out.timeout_ms, 3'600'000);
    EXPECT_EQ(out.idle_timeout_ms, 300'000);
    EXPECT_FALSE(out.allow_empty);
    EXPECT_TRUE(out.keep_old);
}

TEST_F(CommandSettingsTest, TakesEveryKey) {
    spec_.options = {{"restore", "mysql"},       {"check", "grep -q x"},  {"name", "app.sql"},
                     {"directory", "web/../db"}, {"moment", "start"},     {"timeout", "2h"},
                     {"idle_timeout", "10s"},    {"allow_empty", "true"}, {"undo", "none"}};
    spec_.facts = {{"tables", "grep -c TABLE"}};
    const CommandSettings out = settings("mysqldump");
    EXPECT_EQ(out.restore, "mysql");
    EXPECT_EQ(out.check, "grep -q x");
    EXPECT_EQ(out.name, "app.sql");
    EXPECT_EQ(out.directory, in_stack("db"));
    EXPECT_EQ(out.moment, ShownMoment::start);
    EXPECT_EQ(out.timeout_ms, 7'200'000);
    EXPECT_EQ(out.idle_timeout_ms, 10'000);
    EXPECT_TRUE(out.allow_empty);
    EXPECT_FALSE(out.keep_old);
    EXPECT_EQ(out.facts, spec_.facts);
    spec_.options["directory"] = "/srv/db";
    EXPECT_EQ(settings("mysqldump").directory, "/srv/db");
}

TEST_F(CommandSettingsTest, RefusesWhatCannotWork) {
    error_with("snapshot", "");
    for (const std::string name : {"a/b", "..", ".", ""}) error_with("name", name);
    error_with("name", std::string(256, 'n'));
    error_with("moment", "now");
    error_with("timeout", "0s");
    error_with("idle_timeout", "soon");
    error_with("allow_empty", "yes");
    error_with("undo", "maybe");
}

TEST_F(CommandSettingsTest, AnUndoOfNothingIsRefused) {
    spec_.options["undo"] = "none";
    expect_says(error_of([&] { settings("true"); }), "without `restore`");
}

}  // namespace
}  // namespace ingot
