#include "snapshot/secret_fingerprints.h"

#include "tests/snapshot/snapshot_test_base.h"

namespace ingot {
namespace {

class SecretFingerprintsTest : public testing::Test {
protected:
    static Credentials credentials() {
        Credentials out;
        out.key_file = Secret(32);
        return out;
    }
    std::unique_ptr<Repository> repository(const std::string& name, bool sealed = true) {
        InitOptions options;
        options.encryption = sealed;
        const Credentials given = sealed ? credentials() : Credentials{};
        Repository::init(real_filesystem(), dir_.at(name), given, options);
        OpenOptions open;
        open.state_dir = dir_.at("state-" + name);
        make_dirs(real_filesystem(), open.state_dir, 0700);
        return Repository::open(real_filesystem(), dir_.at(name), given, open);
    }
    static std::vector<LiveSecret> secrets(const std::vector<std::pair<std::string, std::string>>& values) {
        std::vector<LiveSecret> out;
        for (const auto& [key, value] : values) out.push_back({".env", key, Secret::copy_of(std::string_view(value))});
        return out;
    }

    TempDir dir_;
};

TEST_F(SecretFingerprintsTest, AreEqualForEqualValuesInOneRepositoryOnly) {
    const auto one = repository("one"), other = repository("other");
    const auto print = fingerprints_of(*one, "env", secrets({{"API_KEY", "hunter2"}, {"OTHER_KEY", "hunter2"}}));
    ASSERT_EQ(print.size(), 1U);
    const auto& keys = print.at(".env");
    EXPECT_EQ(keys.at("API_KEY").size(), 32U);
    EXPECT_EQ(fingerprints_of(*one, "env", secrets({{"API_KEY", "hunter2"}})).at(".env").at("API_KEY"), keys.at("API_KEY"));
    EXPECT_NE(keys.at("API_KEY"), keys.at("OTHER_KEY")) << "equal values of two keys look different";
    EXPECT_NE(fingerprints_of(*one, "env2", secrets({{"API_KEY", "hunter2"}})).at(".env").at("API_KEY"), keys.at("API_KEY"));
    EXPECT_NE(fingerprints_of(*other, "env", secrets({{"API_KEY", "hunter2"}})).at(".env").at("API_KEY"), keys.at("API_KEY"));
    EXPECT_NE(fingerprints_of(*one, "env", secrets({{"API_KEY", ""}})).at(".env").at("API_KEY"), keys.at("API_KEY"));
}

TEST_F(SecretFingerprintsTest, AreNotMadeWithoutAKeyToHideThem) {
    EXPECT_TRUE(fingerprints_of(*repository("plain", false), "env", secrets({{"API_KEY", "hunter2"}})).empty());
}

TEST_F(SecretFingerprintsTest, TellWhichKeysChangedSince) {
    const auto one = repository("one");
    const auto then =
        fingerprints_of(*one, "env", secrets({{"API_KEY", "a"}, {"LOG_LEVEL", "info"}, {"OLD_TOKEN", "t"}, {"SAME", "s"}}));
    const auto now =
        fingerprints_of(*one, "env", secrets({{"API_KEY", "b"}, {"LOG_LEVEL", "debug"}, {"SAME", "s"}, {"NEW_SALT", "n"}}));
    std::string said;
    for (const SecretChange& change : compare_fingerprints(then, now)) {
        said += change.place + ":" + change.key +
                (change.what == SecretChange::What::changed ? "~"
                 : change.what == SecretChange::What::gone  ? "-"
                                                            : "+") +
                (change.secret ? "! " : " ");
    }
    EXPECT_EQ(said, ".env:API_KEY~! .env:LOG_LEVEL~ .env:NEW_SALT+! .env:OLD_TOKEN-! ");
    EXPECT_TRUE(compare_fingerprints(then, then).empty());
}

TEST(SecretNames, AreKnownByTheirParts) {
    for (const char* key :
         {"OPENAI_API_KEY", "database_url", "JWT_SECRET", "db.password", "SENTRY-DSN", "PASSWORD", "ENCRYPTION_IV"})
        EXPECT_TRUE(names_secret(key)) << key;
    for (const char* key : {"LOG_LEVEL", "MONKEY", "PORT", "COMPASS", "", "KEYBOARD"}) EXPECT_FALSE(names_secret(key)) << key;
}

}  // namespace
}  // namespace ingot
