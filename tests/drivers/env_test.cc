#include "drivers/env.h"

#include "tests/drivers/test_folder.h"

namespace ingot {
namespace {

class EnvTest : public testing::Test {
protected:
    EnvDriver driver(std::vector<std::string> paths) const {
        SourceSpec spec;
        spec.name = "env";
        spec.root = root_;
        spec.paths = std::move(paths);
        spec.spool_dir = scratch_.path();
        return EnvDriver(spec);
    }

    TestFolder scratch_;
    std::string root_ = scratch_.folder("stack");
};

TEST_F(EnvTest, CountsKeysAndNeverShowsValues) {
    put(root_ + "/.env", "SECRET=hunter2\nexport B=2\n");
    put(root_ + "/web/.env", "C=3\n");
    EnvDriver env = driver({".env", "web/.env"});
    env.prepare();
    const auto pin = env.pin();
    const Facts facts = pin->facts();
    EXPECT_EQ(std::get<int64_t>(facts.at("keys")), 3);
    EXPECT_EQ(std::get<int64_t>(facts.at("keys:.env")), 2);
    EXPECT_EQ(std::get<int64_t>(facts.at("keys:web/.env")), 1);
    for (const auto& [name, fact] : facts) {
        EXPECT_EQ(name.find("hunter2"), std::string::npos);
        EXPECT_TRUE(std::holds_alternative<int64_t>(fact));
    }
    const auto read = read_pin(*pin);
    ASSERT_EQ(paths_of(read), (std::vector<std::string>{".env", "web/.env"}));
    EXPECT_EQ(read[0].bytes, "SECRET=hunter2\nexport B=2\n");
    EXPECT_EQ(pin->consistency(), PinConsistency::pinned);
}

TEST_F(EnvTest, HandsOutItsSecretsForFingerprints) {
    put(root_ + "/.env", "SECRET=hunter2\nexport B=2\n");
    EnvDriver env = driver({".env", "web/.env"});
    const std::vector<LiveSecret> secrets = env.secrets();
    ASSERT_EQ(secrets.size(), 2u);
    EXPECT_EQ(secrets[0].place + " " + secrets[0].key + " " + std::string(secrets[0].value.text()), ".env SECRET hunter2");
    EXPECT_EQ(secrets[1].key, "B");
}

TEST_F(EnvTest, AFileThatIsGoneIsNamedAndItsSiblingStored) {
    put(root_ + "/.env", "A=1\n");
    EnvDriver env = driver({".env", "web/.env"});
    env.prepare();
    const auto pin = env.pin();
    EXPECT_EQ(std::get<int64_t>(pin->facts().at("files")), 1);
    std::vector<std::string> stored, named;
    for (;;) {
        try {
            const std::optional<Entry> entry = pin->next();
            if (!entry) break;
            stored.push_back(entry->path);
        } catch (const Error& error) {
            EXPECT_EQ(error.code(), Code::source);
            EXPECT_FALSE(error.hint().empty());
            named.push_back(error.what());
        }
    }
    EXPECT_EQ(stored, std::vector<std::string>{".env"});
    ASSERT_EQ(named.size(), 1u);
    EXPECT_NE(named[0].find("web/.env"), std::string::npos);
}

TEST_F(EnvTest, ASymlinkOrAFolderIsASourceErrorWithAHint) {
    put(root_ + "/real.env", "A=1\n");
    ASSERT_EQ(::symlink("real.env", (root_ + "/.env").c_str()), 0);
    make_dirs(real_filesystem(), root_ + "/folder", 0755);
    const Error link = error_of([&] { driver({".env"}).prepare(); });
    EXPECT_EQ(link.code(), Code::source);
    EXPECT_NE(link.hint().find("the file that it points to"), std::string::npos);
    EXPECT_EQ(error_of([&] { driver({"folder"}).prepare(); }).code(), Code::source);
    EXPECT_EQ(error_of([&] { driver({"gone"}).prepare(); }).code(), Code::source);
}

TEST_F(EnvTest, OpeningAnArtifactParsesEveryFile) {
    put(scratch_ / "artifact/.env", "A=1\nB=2\n");
    const Facts facts = driver({".env"}).open_artifact(scratch_ / "artifact");
    EXPECT_EQ(std::get<int64_t>(facts.at("keys")), 2);
    EXPECT_EQ(std::get<int64_t>(facts.at("keys:.env")), 2);
}

}  // namespace
}  // namespace ingot
