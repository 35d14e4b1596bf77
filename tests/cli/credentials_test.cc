#include "cli/credentials.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "base/error.h"
#include "cli/key_file.h"
#include "tests/cli/command_fixture.h"

namespace ingot {

class CredentialsTest : public CommandTest {
protected:
    std::optional<FoundCredentials> find(const CredentialPlaces& places) {
        return find_credentials(real_filesystem(), places, [&](const std::string& line) { warnings.push_back(line); });
    }
    std::string passphrase(const CredentialPlaces& places = {}) {
        const auto found = find(places);
        return found && found->credentials.passphrase ? std::string(found->credentials.passphrase->text()) : "";
    }
    std::vector<std::string> warnings;
};

TEST_F(CredentialsTest, TheFirstThatIsGivenCounts) {
    make_key_file(real_filesystem(), dir.at("a"));
    make_key_file(real_filesystem(), dir.at("b"));
    dir.write("file", "from file\nmore\n");
    make_dirs(real_filesystem(), dir.at("credentials"), 0700);
    dir.write("credentials/ingot-passphrase", "from systemd");
    EXPECT_FALSE(find({}));
    CredentialPlaces places;
    places.key_file_config = dir.at("b");
    EXPECT_EQ(find(places)->origin, "the key file " + dir.at("b") + " (config)");
    const EnvironmentValue systemd("CREDENTIALS_DIRECTORY", dir.at("credentials"));
    EXPECT_EQ(passphrase(places), "from systemd");
    const EnvironmentValue command("INGOT_PASSWORD_COMMAND", "printf 'from command\\n'");
    EXPECT_EQ(passphrase(places), "from command");
    const EnvironmentValue file("INGOT_PASSWORD_FILE", dir.at("file"));
    EXPECT_EQ(passphrase(places), "from file");
    const Secret variable = Secret::copy_of("from variable");
    places.environment_passphrase = &variable;
    EXPECT_EQ(passphrase(places), "from variable");
    places.key_file_argument = dir.at("a");
    EXPECT_TRUE(find(places)->credentials.key_file);
    EXPECT_FALSE(find(places)->credentials.passphrase);
}

TEST_F(CredentialsTest, ThePassphraseLeavesTheEnvironmentAtOnce) {
    ::setenv("INGOT_PASSWORD", "canary-9f3", 1);
    const char* place = std::getenv("INGOT_PASSWORD");
    const std::optional<Secret> taken = take_environment_passphrase();
    ASSERT_TRUE(taken);
    EXPECT_EQ(taken->text(), "canary-9f3");
    EXPECT_EQ(std::getenv("INGOT_PASSWORD"), nullptr);
    EXPECT_EQ(*place, '\0') << "its bytes are still in the process's environment";
    EXPECT_FALSE(take_environment_passphrase());
}

TEST_F(CredentialsTest, AnEmptyPassphraseIsRefused) {
    dir.write("empty", "\n");
    const EnvironmentValue file("INGOT_PASSWORD_FILE", dir.at("empty"));
    try {
        find({});
        ADD_FAILURE();
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), Code::usage);
    }
}

TEST_F(CredentialsTest, APassphraseFileThatOthersMayReadIsAWarning) {
    dir.write("file", "secret\n");
    ::chmod(dir.at("file").c_str(), 0644);
    const EnvironmentValue file("INGOT_PASSWORD_FILE", dir.at("file"));
    EXPECT_EQ(passphrase(), "secret");
    ASSERT_EQ(warnings.size(), 1u);
    EXPECT_EQ(warnings[0].find("secret\n"), std::string::npos);
}

TEST_F(CredentialsTest, ACommandThatFailsDoesNotShowWhatItPrinted) {
    const EnvironmentValue command("INGOT_PASSWORD_COMMAND", "echo canary-9f3; exit 7");
    try {
        find({});
        ADD_FAILURE();
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), Code::wrong_key);
        EXPECT_FALSE(holds(error.what(), "canary"));
        EXPECT_TRUE(holds(error.what(), "7"));
    }
}

}  // namespace ingot
