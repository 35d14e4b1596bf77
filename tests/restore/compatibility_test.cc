#include "restore/compatibility.h"

#include "tests/snapshot/snapshot_test_base.h"

namespace ingot {
namespace {

// A source whose engine, live facts and secrets are what the test says.
class EngineDriver : public Driver {
public:
    struct Says {
        std::optional<EngineMatch> match;
        bool down = false;
        std::string schema = "40";
        std::vector<std::pair<std::string, std::string>> env;
    };
    EngineDriver(const std::string& name, const std::string& driver, const Says& says)
        : Driver(spec_of(name, driver)), says_(says) {}
    void prepare() override {}
    std::unique_ptr<Pin> pin() override { return nullptr; }
    std::vector<SourceRoot> roots() const override { return {}; }
    Facts open_artifact(const std::string&) override { return {}; }
    Fact ask_live(const std::string&) override {
        require_up();
        return says_.schema;
    }
    std::optional<EngineMatch> match_engine(const Facts&) override {
        require_up();
        return says_.match;
    }
    std::vector<LiveSecret> secrets() override {
        std::vector<LiveSecret> out;
        for (const auto& [key, value] : says_.env) out.push_back({".env", key, Secret::copy_of(std::string_view(value))});
        return out;
    }

private:
    static SourceSpec spec_of(const std::string& name, const std::string& driver) {
        SourceSpec spec;
        spec.name = name;
        spec.driver = driver;
        return spec;
    }
    void require_up() const {
        if (says_.down) throw Error(Code::failed, "nobody answers", "start it");
    }
    const Says& says_;
};

class CompatibilityTest : public testing::Test {
protected:
    CompatibilityTest() {
        Credentials credentials;
        credentials.key_file = Secret(32);
        Repository::init(real_filesystem(), dir_.at("repo"), credentials, {});
        OpenOptions open;
        open.state_dir = dir_.at("state");
        make_dirs(real_filesystem(), open.state_dir, 0700);
        repository_ = Repository::open(real_filesystem(), dir_.at("repo"), credentials, open);
        stack_.name = "rag";
        stack_.root = dir_.at("");
        stack_.version_command = "echo v2.0.0";
        stack_.sources.push_back(std::make_unique<EngineDriver>("db", "postgres", db_));
        stack_.sources.push_back(std::make_unique<EngineDriver>("env", "env", env_));
        db_.match = EngineMatch{.verdict = Verdict::fine, .then = "15.8", .now = "15.9", .why = {}, .hint = {}};
        env_.env = {{"API_KEY", "new"}, {"LOG_LEVEL", "info"}};
        VersionSpec schema;
        schema.name = "schema";
        schema.source = "db";
        schema.query = "SELECT version";
        stack_.compatibility.versions = {schema};
        Manifest& manifest = snapshot_.manifest;
        manifest.stack = "rag";
        manifest.application_version = "v1.9.0";
        manifest.versions = {{"schema", "39"}};
        for (const auto& [name, driver] : {std::pair("db", "postgres"), std::pair("env", "env")}) {
            ManifestSource source;
            source.name = name;
            source.driver = driver;
            source.listing = StreamRoot{};
            manifest.sources.push_back(source);
        }
        std::vector<LiveSecret> old;
        old.push_back({".env", "API_KEY", Secret::copy_of(std::string_view("old"))});
        old.push_back({".env", "LOG_LEVEL", Secret::copy_of(std::string_view("debug"))});
        manifest.sources[1].secrets = fingerprints_of(*repository_, "env", old);
    }

    void matrix(const std::string& text) {
        stack_.compatibility.matrix = dir_.at("matrix.md");
        replace_file(real_filesystem(), stack_.compatibility.matrix, view_of(text));
    }
    CompatReport report(const std::vector<std::string>& only = {}, bool all_versions = false) {
        return judge_compatibility(*repository_, snapshot_, stack_, real_filesystem(), {only, all_versions});
    }
    static const CompatLine* find(const CompatReport& report, const std::string& what) {
        for (const CompatLine& line : report.lines) {
            if (line.what == what) return &line;
        }
        return nullptr;
    }

    TempDir dir_;
    std::unique_ptr<Repository> repository_;
    EngineDriver::Says db_, env_;
    Stack stack_;
    Snapshot snapshot_;
};

constexpr const char* kMatrix =
    "| App | Schema | Status |\n|---|---|---|\n| 2.x | >=40 | ✅ |\n| 2.x | <40 | ❌ INCOMPATIBLE |\n| 1.9 | 39 | ⚠️ |\n";

TEST_F(CompatibilityTest, TheMatrixJudgesTheVersionsAsTheyWillBe) {
    matrix(kMatrix);
    const CompatReport refused = report();
    EXPECT_EQ(refused.worst(), Verdict::refused);
    EXPECT_EQ(find(refused, "matrix")->why, "matrix.md: line 4: application 2.x with schema <40: ❌ INCOMPATIBLE");
    // With a checkout the application comes back too.
    stack_.services.checkout = "git checkout $INGOT_VERSION";
    EXPECT_EQ(find(report(), "matrix")->verdict, Verdict::warning);
    stack_.services.checkout.clear();
    // The schema stays where the database does.
    EXPECT_EQ(find(report({"env"}), "matrix")->verdict, Verdict::fine);
    EXPECT_EQ(find(report({"env"}), "schema")->now, "40");
}

TEST_F(CompatibilityTest, ARefusalEndsTheRestoreUnlessItIsAllowed) {
    matrix(kMatrix);
    const CompatReport refused = report();
    try {
        require_compatible(refused, snapshot_, false);
        ADD_FAILURE() << "it was let through";
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), Code::incompatible);
        EXPECT_NE(error.hint().find("--allow-incompatible"), std::string::npos);
    }
    EXPECT_NO_THROW(require_compatible(refused, snapshot_, true));
    db_.match = EngineMatch{.verdict = Verdict::refused, .then = "16.1", .now = "15.9", .why = "too old", .hint = "newer"};
    EXPECT_THROW(require_compatible(report(), snapshot_, true), Error) << "no flag makes an engine read what it cannot";
    EXPECT_NO_THROW(require_compatible(report({"env"}), snapshot_, true)) << "it is not restored";
}

TEST_F(CompatibilityTest, WhatCannotBeAskedOrReadIsAWarning) {
    matrix(kMatrix);
    db_.down = true;
    stack_.version_command = "exit 1";
    CompatReport warned = report();
    EXPECT_EQ(warned.worst(), Verdict::warning);
    EXPECT_EQ(find(warned, "db (postgres)")->verdict, Verdict::warning);
    EXPECT_EQ(find(warned, "db (postgres)")->hint, "start it");
    EXPECT_EQ(find(warned, "schema")->verdict, Verdict::fine) << "the snapshot's comes back";
    matrix("# nothing here\n");
    EXPECT_EQ(find(report(), "matrix")->verdict, Verdict::warning);
    stack_.compatibility.matrix = dir_.at("lost.md");
    EXPECT_NE(find(report(), "matrix")->why.find("lost.md"), std::string::npos);
    EXPECT_EQ(report().worst(), Verdict::warning);
}

TEST_F(CompatibilityTest, VersionsAreAskedForOnlyWhereTheyAreJudgedOrShown) {
    EXPECT_EQ(find(report(), "application"), nullptr);
    ASSERT_NE(find(report({}, true), "application"), nullptr);
    EXPECT_EQ(find(report({}, true), "application")->then, "v1.9.0");
    EXPECT_EQ(find(report({}, true), "application")->now, "v2.0.0");
}

TEST_F(CompatibilityTest, TheMatrixMayHaveColumnsForEngines) {
    matrix("| Release | PostgreSQL | Supported |\n|--|--|--|\n| 2.x | <15 | no |\n| 2.x | 15+ | yes |\n");
    EXPECT_EQ(find(report(), "matrix")->verdict, Verdict::fine);
    db_.match->now = "14.2";
    EXPECT_EQ(find(report(), "matrix")->verdict, Verdict::refused);
    EXPECT_EQ(find(report({"env"}), "matrix")->verdict, Verdict::refused) << "also where it is not restored";
}

TEST_F(CompatibilityTest, ADatabaseWithoutTheSecretsOfItsDayWarnsWithTheirNames) {
    const CompatReport alone = report({"db"});
    const CompatLine* line = find(alone, "secrets of env");
    ASSERT_NE(line, nullptr);
    EXPECT_EQ(line->verdict, Verdict::warning);
    EXPECT_NE(line->why.find("API_KEY is another"), std::string::npos) << line->why;
    EXPECT_EQ(line->why.find("LOG_LEVEL"), std::string::npos) << line->why;
    EXPECT_EQ(line->why.find("old"), std::string::npos) << line->why;
    EXPECT_EQ(find(report(), "secrets of env")->verdict, Verdict::fine) << "they are restored together";
    EXPECT_EQ(find(report({"env"}), "secrets of env")->verdict, Verdict::warning) << "the database stays as it is";
    env_.env = {{"API_KEY", "old"}, {"LOG_LEVEL", "info"}};
    EXPECT_EQ(find(report({"db"}), "secrets of env")->verdict, Verdict::fine) << "a log level is no secret";
    env_.env.clear();
    EXPECT_NE(find(report({"db"}), "secrets of env")->why.find("API_KEY is gone"), std::string::npos);
}

}  // namespace
}  // namespace ingot
