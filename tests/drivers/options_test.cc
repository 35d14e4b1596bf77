#include "drivers/options.h"

#include <gtest/gtest.h>

#include "test_folder.h"

namespace ingot {
namespace {

SourceSpec spec_with(const std::string& key, const std::string& value) {
    SourceSpec spec;
    spec.name = "s";
    spec.root = "/srv/rag";
    spec.options[key] = value;
    return spec;
}

TEST(Options, ReadsTextsFlagsDurationsChoicesListsAndPaths) {
    SourceSpec spec = spec_with("url", "http://h");
    spec.options["on"] = "true";
    spec.options["timeout"] = "90s";
    spec.options["mode"] = "b";
    spec.options["names"] = "one\ntwo";
    spec.options["ca_file"] = "ca.pem";
    const Options options(spec);
    EXPECT_EQ(options.text("url"), "http://h");
    EXPECT_EQ(options.text("none", "else"), "else");
    EXPECT_TRUE(options.has("url"));
    EXPECT_FALSE(options.has("none"));
    EXPECT_TRUE(options.flag("on"));
    EXPECT_TRUE(options.flag("none", true));
    EXPECT_EQ(options.duration_ms("timeout", "1s"), 90'000);
    EXPECT_EQ(options.duration_ms("none", "1s"), 1000);
    EXPECT_EQ(options.choice("mode", {"a", "b"}), "b");
    EXPECT_EQ(options.choice("none", {"a", "b"}), "a");
    EXPECT_EQ(options.list("names"), (std::vector<std::string>{"one", "two"}));
    EXPECT_TRUE(options.list("none").empty());
    EXPECT_EQ(options.path("ca_file"), "/srv/rag/ca.pem");
    EXPECT_EQ(options.path("none"), "");
}

TEST(Options, SaysWhichKeyOfWhichSourceIsWrongAndWhatToWrite) {
    const SourceSpec duration = spec_with("k", "0s"), long_one = spec_with("k", "30d"), flag = spec_with("k", "yes");
    const SourceSpec list = spec_with("k", "a\n\nb");
    for (const auto& call : std::vector<std::function<void()>>{
             [&] { Options(duration).duration_ms("k", "1s"); }, [&] { Options(long_one).duration_ms("k", "1s"); },
             [&] { Options(flag).flag("k"); },
             [&] {
                 Options(flag).choice("k", {"a", "b"});
             },
             [&] { Options(list).list("k"); }, [&] { Options(flag).exclusive("x", "y", true, "x = 1"); }}) {
        const Error error = error_of(call);
        EXPECT_EQ(error.code(), Code::usage);
        EXPECT_NE(std::string(error.what()).find("` of source s "), std::string::npos) << error.what();
        EXPECT_FALSE(error.hint().empty());
    }
    SourceSpec both = spec_with("x", "1");
    both.options["y"] = "1";
    EXPECT_EQ(error_of([&] { Options(both).exclusive("x", "y", false, ""); }).code(), Code::usage);
    Options(flag).exclusive("x", "k", true, "");
}

TEST(Options, ASecretComesFromTheEnvironmentElseFromACredential) {
    const TestFolder folder;
    ::setenv("INGOT_TEST_KEY", "from env\nmore", 1);
    EXPECT_EQ(secret_from_env("INGOT_TEST_KEY", "`key_env`", Code::source).text(), "from env");
    ::unsetenv("INGOT_TEST_KEY");
    const Error missing = error_of([] { secret_from_env("INGOT_TEST_KEY", "`key_env` of source s", Code::source); });
    EXPECT_EQ(missing.code(), Code::source);
    EXPECT_NE(missing.hint().find("LoadCredential="), std::string::npos);
    put(folder / "INGOT_TEST_KEY", "from credential\r\n");
    ::setenv("CREDENTIALS_DIRECTORY", folder.path().c_str(), 1);
    EXPECT_EQ(secret_from_env("INGOT_TEST_KEY", "`key_env`", Code::source).text(), "from credential");
    ::unsetenv("CREDENTIALS_DIRECTORY");
}

TEST(Options, AFileThatEverybodyMayReadIsNoSecret) {
    const TestFolder folder;
    put(folder / "key", "hidden\n");
    ::chmod((folder / "key").c_str(), 0600);
    EXPECT_EQ(secret_from_file(folder / "key", "`key_file`", Code::failed).text(), "hidden");
    ::chmod((folder / "key").c_str(), 0644);
    const Error error = error_of([&] { secret_from_file(folder / "key", "`key_file`", Code::failed); });
    EXPECT_EQ(error.code(), Code::failed);
    EXPECT_EQ(std::string(error.what()).find("hidden"), std::string::npos);
    EXPECT_NE(error.hint().find("chmod 600"), std::string::npos);
    EXPECT_EQ(error_of([&] { secret_from_file(folder / "none", "`key_file`", Code::source); }).code(), Code::source);
}

}  // namespace
}  // namespace ingot
