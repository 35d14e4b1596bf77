#include "drivers/postgres_settings.h"

#include "test_folder.h"

namespace ingot {
namespace {

SourceSpec spec_of(std::map<std::string, std::string> options) {
    SourceSpec spec;
    spec.name = "app";
    spec.options = std::move(options);
    return spec;
}

TEST(PgSettings, HaveDefaults) {
    const PgSettings settings = pg_settings(spec_of({{"url", "postgresql://rag@h/ragdb"}}));
    EXPECT_EQ(settings.timeout_ms, 4 * 3'600'000);
    EXPECT_EQ(settings.idle_timeout_ms, 300'000);
    EXPECT_EQ(settings.maintenance_database, "postgres");
    EXPECT_FALSE(settings.in_place || settings.role_passwords || settings.wait_for_dump);
    EXPECT_TRUE(settings.tools.empty());
}

TEST(PgSettings, SplitToolsLikeAShellWithoutBeingOne) {
    const std::vector<std::string> expected = {"docker", "exec", "-e", "A=b c", "", "rag $x"};
    EXPECT_EQ(words_of("docker  exec -e 'A=b c' \"\" \"rag $x\" ", "tools"), expected);
    EXPECT_EQ(error_of([] { words_of("ssh 'host", "tools"); }).code(), Code::usage);
}

TEST(PgSettings, TakeTheAddressFromTheEnvironmentOrACredentialWhenItIsNeeded) {
    const PgSettings settings = pg_settings(spec_of({{"url_env", "INGOT_TEST_PG_URL"}, {"database", "other"}}));
    const Error error = error_of([&] { (void)settings.address(Code::source); });
    EXPECT_EQ(error.code(), Code::source);
    EXPECT_NE(std::string(error.what()).find("INGOT_TEST_PG_URL (`url_env` of source app) is not set"), std::string::npos);
    const TestFolder folder;
    put(folder / "INGOT_TEST_PG_URL", "postgresql://rag:from-credential@h/ragdb\nmore");
    ::chmod((folder / "INGOT_TEST_PG_URL").c_str(), 0400);
    ::setenv("CREDENTIALS_DIRECTORY", folder.path().c_str(), 1);
    EXPECT_EQ(settings.address(Code::source).password(), "from-credential");
    EXPECT_EQ(settings.address(Code::source).database(), "other");
    ::unsetenv("CREDENTIALS_DIRECTORY");
    ::setenv("INGOT_TEST_PG_URL", "postgresql://rag:from-variable@h/ragdb", 1);
    EXPECT_EQ(settings.address(Code::source).password(), "from-variable");
    ::unsetenv("INGOT_TEST_PG_URL");
}

TEST(PgSettings, GiveTheToolsTheirOwnAddressAndTheSamePassword) {
    const PgSettings settings =
        pg_settings(spec_of({{"url", "postgresql://rag:pw@127.0.0.1:5433/ragdb"}, {"tools_url", "postgresql://rag@db/ragdb"}}));
    EXPECT_EQ(settings.tools_address(Code::failed).conninfo(), "dbname='ragdb' host='db' user='rag'");
    EXPECT_EQ(settings.tools_address(Code::failed).password(), "pw");
}

TEST(PgSettings, RefuseTwoPasswordsAndNoAddress) {
    EXPECT_EQ(error_of([] { pg_settings(spec_of({})); }).code(), Code::usage);
    EXPECT_EQ(error_of([] {
                  pg_settings(spec_of({{"url", "postgresql://h/d"}, {"password_env", "A"}, {"password_file", "b"}}));
              }).code(),
              Code::usage);
}

}  // namespace
}  // namespace ingot
