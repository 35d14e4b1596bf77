#include "drivers/redis_settings.h"

#include "tests/drivers/test_folder.h"

namespace ingot {
namespace {

RedisSettings settings(std::map<std::string, std::string> options) {
    SourceSpec spec;
    spec.name = "cache";
    spec.root = "/srv/stack";
    spec.options = std::move(options);
    return redis_settings(spec);
}

TEST(RedisSettings, UrlsOfAllForms) {
    const RedisUrl plain = parse_redis_url("redis://cache.example", "url");
    EXPECT_EQ(plain.host, "cache.example");
    EXPECT_EQ(plain.port, 6379);
    const RedisUrl full = parse_redis_url("redis://rag:p%40ss:w%2Ford@10.0.0.1:7000/3?x=1", "url");
    EXPECT_EQ(full.user, "rag");
    EXPECT_EQ(full.password, "p@ss:w/ord");
    EXPECT_EQ(full.host, "10.0.0.1");
    EXPECT_EQ(full.port, 7000);
    const RedisUrl six = parse_redis_url("redis://[::1]:1234", "url");
    EXPECT_EQ(six.host, "::1");
    EXPECT_EQ(six.port, 1234);
    EXPECT_EQ(parse_redis_url("unix:///run/redis.sock", "url").socket, "/run/redis.sock");
}

TEST(RedisSettings, WhatIsNoUrlIsSaidWithoutItsPassword) {
    for (const std::string& url : std::vector<std::string>{
             "", "127.0.0.1:6379", "redis://", "redis://u:secret@h:0", "redis://u:se/secret@h", "redis://u:secret?@h",
             "redis://u:secret@h:99999", "redis://u:secret@h:x", "redis://u:secret%zz@h", "rediss://u:secret%zz@h",
             "unix://relative", "redis://u:secret@[::1"}) {
        const Error error = error_of([&] { parse_redis_url(url, "`url` of source cache"); });
        EXPECT_EQ(error.code(), Code::usage) << url;
        EXPECT_EQ((std::string(error.what()) + error.hint()).find("secret"), std::string::npos) << error.what();
        EXPECT_FALSE(error.hint().empty());
    }
}

TEST(RedisSettings, ThePasswordIsFoundAndNeverShown) {
    const TestFolder folder;
    put(folder / "password", "from a file\n");
    put(folder / "RD_CREDENTIAL", "from systemd\n");
    ASSERT_EQ(::chmod((folder / "password").c_str(), 0644), 0);
    const RedisSettings of_file = settings({{"url", "redis://h"}, {"password_file", folder / "password"}});
    EXPECT_NE(std::string(error_of([&] { of_file.password(Code::source); }).what()).find("every user"), std::string::npos);
    ASSERT_EQ(::chmod((folder / "password").c_str(), 0600), 0);
    EXPECT_EQ(of_file.password(Code::source).text(), "from a file");
    const RedisSettings in_url = settings({{"url", "redis://u:in%20url@h:1"}});
    EXPECT_EQ(in_url.password(Code::source).text(), "in url");
    EXPECT_EQ(in_url.shown(), "redis://h:1");
    EXPECT_EQ(in_url.username, "u");
    ::setenv("RD_PASSWORD", "from the environment", 1);
    EXPECT_EQ(settings({{"url", "redis://h"}, {"password_env", "RD_PASSWORD"}}).password(Code::source).text(),
              "from the environment");
    ::unsetenv("RD_PASSWORD");
    const Error missing = error_of([&] {
        settings({{"url", "redis://h"}, {"password_env", "RD_PASSWORD"}}).password(Code::source);
    });
    EXPECT_EQ(missing.code(), Code::source);
    EXPECT_NE(std::string(missing.what()).find("RD_PASSWORD"), std::string::npos);
    ::setenv("CREDENTIALS_DIRECTORY", folder.path().c_str(), 1);
    EXPECT_EQ(settings({{"url", "redis://h"}, {"password_env", "RD_CREDENTIAL"}}).password(Code::source).text(), "from systemd");
    ::unsetenv("CREDENTIALS_DIRECTORY");
    ::setenv("RD_URL", "redis://:p@elsewhere:7/0", 1);
    const RedisSettings from_env = settings({{"url_env", "RD_URL"}});
    EXPECT_EQ(from_env.resolved(Code::source).host, "elsewhere");
    EXPECT_FALSE(from_env.resolved(Code::source).password);
    EXPECT_EQ(from_env.password(Code::source).text(), "p");
    ::unsetenv("RD_URL");
    EXPECT_EQ(error_of([&] { from_env.resolved(Code::failed); }).code(), Code::failed);
}

TEST(RedisSettings, WhatCannotWorkIsAMistakeOfTheConfig) {
    const std::vector<std::map<std::string, std::string>> bad = {
        {},
        {{"url", "redis://h"}, {"url_env", "X"}},
        {{"url", "redis://h"}, {"password_env", "X"}, {"password_file", "y"}},
        {{"url", "redis://h"}, {"spare_db", "-1"}},
        {{"url", "redis://h"}, {"spare_db", "1.5"}},
        {{"url", "redis://h"}, {"timeout", "0s"}},
    };
    for (const auto& options : bad) {
        EXPECT_EQ(error_of([&] { settings(options); }).code(), Code::usage) << options.size();
    }
    EXPECT_EQ(settings({{"url", "redis://h"}, {"spare_db", "12"}}).spare_db, 12u);
}

}  // namespace
}  // namespace ingot
