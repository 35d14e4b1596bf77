#include "drivers/qdrant_settings.h"

#include <gtest/gtest.h>

#include "test_folder.h"

namespace ingot {
namespace {

SourceSpec spec_with(std::map<std::string, std::string> options) {
    SourceSpec spec;
    spec.name = "search";
    spec.root = "/srv/rag";
    spec.options = std::move(options);
    return spec;
}

TEST(QdrantSettings, ReadsWhatIsConfigured) {
    const QdrantSettings defaults = qdrant_settings(spec_with({{"url", "http://127.0.0.1:6333/"}}));
    EXPECT_EQ(defaults.address(Code::source), "http://127.0.0.1:6333");
    EXPECT_EQ(defaults.shown(), "http://127.0.0.1:6333");
    EXPECT_EQ(defaults.method, QdrantMethod::automatic);
    EXPECT_EQ(defaults.cutover, QdrantCutover::automatic);
    EXPECT_EQ(defaults.timeout_ms, 30'000);
    EXPECT_EQ(defaults.snapshot_timeout_ms, 3'600'000);
    EXPECT_TRUE(defaults.api_key(Code::source).empty());
    const QdrantSettings all = qdrant_settings(spec_with({{"url", "https://user:pass@host:1/base"},
                                                          {"ca_file", "ca.pem"},
                                                          {"collections", "a\nb"},
                                                          {"method", "snapshot"},
                                                          {"cutover", "name"},
                                                          {"idle_timeout", "5s"}}));
    EXPECT_EQ(all.shown(), "https://host:1/base") << "no password is shown";
    EXPECT_EQ(all.address(Code::source), "https://user:pass@host:1/base");
    EXPECT_EQ(all.ca_file, "/srv/rag/ca.pem");
    EXPECT_EQ(all.collections, (std::vector<std::string>{"a", "b"}));
    EXPECT_EQ(all.method, QdrantMethod::snapshot);
    EXPECT_EQ(all.cutover, QdrantCutover::name);
    EXPECT_EQ(all.idle_timeout_ms, 5000);
}

TEST(QdrantSettings, RefusesWhatCannotWorkWithoutQuotingSecrets) {
    const std::string url = "http://h";
    const std::vector<std::map<std::string, std::string>> wrong = {
        {},
        {{"url", url}, {"url_env", "E"}},
        {{"url", "127.0.0.1:6333"}},
        {{"url", "redis://hidden@h"}},
        {{"url", "http://h?key=hidden"}},
        {{"url", url}, {"method", "dump"}},
        {{"url", url}, {"cutover", "rename"}},
        {{"url", url}, {"timeout", "0s"}},
        {{"url", url}, {"api_key_env", "A"}, {"api_key_file", "f"}},
        {{"url", url}, {"collections", "a\n\nb"}},
    };
    for (const auto& options : wrong) {
        const Error error = error_of([&] { qdrant_settings(spec_with(options)); });
        EXPECT_EQ(error.code(), Code::usage);
        EXPECT_EQ((std::string(error.what()) + error.hint()).find("hidden"), std::string::npos) << error.what();
    }
    SourceSpec facts = spec_with({{"url", url}});
    facts.facts = {{"n", R"({"must":[]})"}};
    EXPECT_EQ(error_of([&] { qdrant_settings(facts); }).code(), Code::usage);
}

TEST(QdrantSettings, TheAddressOfTheEnvironmentIsAskedForWhenItIsNeeded) {
    const QdrantSettings settings = qdrant_settings(spec_with({{"url_env", "INGOT_TEST_QDRANT_URL"}}));
    EXPECT_EQ(settings.shown(), "the server named by INGOT_TEST_QDRANT_URL");
    EXPECT_EQ(error_of([&] { settings.address(Code::source); }).code(), Code::source);
    ::setenv("INGOT_TEST_QDRANT_URL", "hidden", 1);
    EXPECT_EQ(std::string(error_of([&] { settings.address(Code::failed); }).what()).find("hidden"), std::string::npos);
    ::setenv("INGOT_TEST_QDRANT_URL", "http://h:6333/", 1);
    EXPECT_EQ(settings.address(Code::failed), "http://h:6333");
    ::unsetenv("INGOT_TEST_QDRANT_URL");
}

TEST(QdrantSettings, AFactIsACollectionAndPerhapsAFilter) {
    EXPECT_EQ(qdrant_fact("rag main"), (std::pair<std::string, std::string>("rag main", "")));
    EXPECT_EQ(qdrant_fact(R"(rag main {"must":[]})"), (std::pair<std::string, std::string>("rag main", R"({"must":[]})")));
}

}  // namespace
}  // namespace ingot
