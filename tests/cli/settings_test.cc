#include "cli/settings.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "tests/cli/command_fixture.h"

namespace ingot {

class SettingsTest : public CommandTest {
protected:
    Settings settle_with(GlobalArguments global, ConfigUse use = ConfigUse::if_there) {
        if (global.config.empty()) global.config = dir.at("ingot.toml");
        return settle(real_filesystem(), global, use, out);
    }
    Output out;
};

TEST_F(SettingsTest, CommandLineBeforeEnvironmentBeforeFile) {
    EXPECT_EQ(settle_with({}).repository.value, dir.at("repo"));
    EXPECT_EQ(settle_with({}).repository.origin, dir.at("ingot.toml") + ":2");
    EXPECT_TRUE(settle_with({}).repository_from_config);
    const EnvironmentValue named("INGOT_REPOSITORY", "/from/environment");
    EXPECT_EQ(settle_with({}).repository.value, "/from/environment");
    EXPECT_EQ(settle_with({}).repository.origin, "INGOT_REPOSITORY");
    GlobalArguments global;
    global.repository = "/from/arguments";
    global.key_file = "/key/argument";
    EXPECT_EQ(settle_with(global).repository.value, "/from/arguments");
    EXPECT_EQ(settle_with(global).key_file.origin, "--key-file");
    EXPECT_FALSE(settle_with(global).repository_from_config);
}

TEST_F(SettingsTest, AConfigIsNamedByArgumentEnvironmentOrPlace) {
    const EnvironmentValue named("INGOT_CONFIG", "/from/environment.toml");
    EXPECT_EQ(find_config(real_filesystem(), {}).origin, "INGOT_CONFIG");
    GlobalArguments global;
    global.config = "x.toml";
    EXPECT_EQ(find_config(real_filesystem(), global).value, "x.toml");
}

TEST_F(SettingsTest, ABrokenConfigStopsNobodyWhoNamesTheRepository) {
    dir.write("ingot.toml", "[stack]\nnme = 1\n");
    const EnvironmentValue named("INGOT_CONFIG", dir.at("ingot.toml"));
    GlobalArguments global;
    EXPECT_THROW(settle(real_filesystem(), global, ConfigUse::if_there, out), Error);
    global.repository = "/r";
    testing::internal::CaptureStderr();
    EXPECT_FALSE(settle(real_filesystem(), global, ConfigUse::if_there, out).config);
    EXPECT_TRUE(holds(testing::internal::GetCapturedStderr(), "going on without it"));
    EXPECT_THROW(settle(real_filesystem(), global, ConfigUse::required, out), Error);
}

TEST_F(SettingsTest, TheStateDirectoryOfAUserIsInHisHome) {
    if (::geteuid() == 0) {
        EXPECT_EQ(default_state_dir(), "/var/lib/ingot");
    } else {
        const EnvironmentValue xdg("XDG_STATE_HOME", "/x");
        EXPECT_EQ(default_state_dir(), "/x/ingot");
    }
    EXPECT_EQ(settle_with({}).state_dir.origin, "INGOT_STATE_DIR");
}

}  // namespace ingot
