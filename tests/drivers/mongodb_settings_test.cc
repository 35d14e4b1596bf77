#include "drivers/mongodb_settings.h"

#include "tests/drivers/test_folder.h"

namespace ingot {
namespace {

SourceSpec spec_of(std::map<std::string, std::string> options) {
    SourceSpec spec;
    spec.name = "s";
    spec.root = "/srv/app";
    spec.options = std::move(options);
    return spec;
}

TEST(MongoSettings, TakesWhatTheConfigSays) {
    SourceSpec spec = spec_of({{"uri", "mongodb://rag:s3cret@db1:27017,db2/ragdb?replicaSet=rs0"},
                               {"databases", "ragdb\nother"},
                               {"writers", "paused"},
                               {"timeout", "5s"},
                               {"password_file", "secrets/mongo"}});
    spec.facts = {{"all", "chunks"}, {"old", R"(ragdb/chunks {"n": {"$lt": 7}})"}};
    const MongoSettings settings = mongo_settings(spec);
    EXPECT_EQ(settings.shown(), "mongodb://db1:27017,db2/ragdb");
    EXPECT_EQ(settings.databases, (std::vector<std::string>{"ragdb", "other"}));
    EXPECT_TRUE(settings.writers_paused);
    EXPECT_EQ(settings.timeout_ms, 5000);
    EXPECT_EQ(settings.password_file, "/srv/app/secrets/mongo");
    EXPECT_EQ(settings.facts.at("all").database, "");
    EXPECT_EQ(settings.facts.at("all").collection, "chunks");
    EXPECT_EQ(settings.facts.at("old").database, "ragdb");
    EXPECT_EQ(settings.facts.at("old").filter.document("n").number("$lt"), 7);
}

TEST(MongoSettings, WhatCannotWorkIsSaidWithoutASecret) {
    const auto wrong = [](std::map<std::string, std::string> options, const std::string& words) {
        const Error error = error_of([&] { mongo_settings(spec_of(options)); });
        EXPECT_EQ(error.code(), Code::usage);
        EXPECT_NE(std::string(error.what()).find(words), std::string::npos) << error.what();
        EXPECT_EQ((error.what() + error.hint()).find("s3cret"), std::string::npos);
        EXPECT_FALSE(error.hint().empty());
    };
    const std::string uri = "mongodb://rag:s3cret@h/db";
    wrong({}, "`uri_env`");
    wrong({{"uri", uri}, {"uri_env", "X"}}, "both given");
    wrong({{"uri", "postgresql://rag:s3cret@h/db"}}, "no address of MongoDB");
    wrong({{"uri", "mongodb://"}}, "no address of MongoDB");
    wrong({{"uri", uri}, {"password_env", "X"}, {"password_file", "y"}}, "both given");
    wrong({{"uri", uri}, {"writers", "stopped"}}, "writers");
    wrong({{"uri", uri}, {"timeout", "0s"}}, "timeout");
    wrong({{"uri", uri}, {"databases", "admin"}}, "admin");
    wrong({{"uri", uri}, {"databases", "a b"}}, "a b");
    SourceSpec spec = spec_of({{"uri", uri}});
    for (const char* fact : {"", "/chunks", "chunks {\"n\":", "db/"}) {
        spec.facts = {{"n", fact}};
        EXPECT_EQ(error_of([&] { mongo_settings(spec); }).code(), Code::usage) << fact;
    }
}

TEST(MongoSettings, TheAddressIsFoundWhenItIsNeeded) {
    const MongoSettings settings =
        mongo_settings(spec_of({{"uri_env", "INGOT_TEST_MONGO_URI"}, {"password_env", "INGOT_TEST_MONGO_PW"}}));
    ::unsetenv("INGOT_TEST_MONGO_URI");
    EXPECT_NE(std::string(error_of([&] { settings.address(Code::source); }).what()).find("INGOT_TEST_MONGO_URI"),
              std::string::npos);
    ::setenv("INGOT_TEST_MONGO_URI", "s3cret", 1);
    const Error error = error_of([&] { settings.address(Code::source); });
    EXPECT_EQ((error.what() + error.hint()).find("s3cret"), std::string::npos);
    ::setenv("INGOT_TEST_MONGO_URI", "mongodb://h/db", 1);
    ::setenv("INGOT_TEST_MONGO_PW", "s3cret", 1);
    EXPECT_EQ(settings.address(Code::source).text(), "mongodb://h/db");
    EXPECT_EQ(settings.password(Code::source).text(), "s3cret");
    const TestFolder folder;
    ::unsetenv("INGOT_TEST_MONGO_PW");
    put(folder / "INGOT_TEST_MONGO_PW", "of a credential\n");
    ::setenv("CREDENTIALS_DIRECTORY", folder.path().c_str(), 1);
    EXPECT_EQ(settings.password(Code::source).text(), "of a credential");
    ::unsetenv("CREDENTIALS_DIRECTORY");
    EXPECT_EQ(error_of([&] { settings.password(Code::failed); }).code(), Code::failed);
    ::unsetenv("INGOT_TEST_MONGO_URI");
}

TEST(MongoSettings, PasswordsAreBlottedOut) {
    const std::string uri = "mongodb://rag:a%2Fb@h/db";
    EXPECT_EQ(without_password("bad a%2Fb or a/b or other", uri, "other"), "bad *** or *** or ***");
    EXPECT_EQ(without_password("nothing", "mongodb://h/db", ""), "nothing");
    EXPECT_EQ(shown_mongo_uri("mongodb+srv://rag:p@ss/word@cluster.example/db?tls=true"), "mongodb+srv://cluster.example/db");
    EXPECT_EQ(shown_mongo_uri("s3cret").find("s3cret"), std::string::npos);
}

}  // namespace
}  // namespace ingot
