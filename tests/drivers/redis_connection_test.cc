#include "drivers/redis_connection.h"

#include "tests/support/redis_server.h"

namespace ingot {
namespace {

class RedisConnectionTest : public testing::Test {
protected:
    void SetUp() override { REQUIRE_REDIS(); }
};

Error refused(const SourceSpec& spec) {
    return error_of([&] { RedisConnection(redis_settings(spec), Code::source).call({"GET", "x"}); });
}

TEST(RedisInfo, IsReadLineByLine) {
    const auto info = parse_redis_info("# Server\r\nredis_version:7.0.15\r\n\r\nrole:master\r\nno colon\r\nlast:a:b");
    EXPECT_EQ(info, (std::map<std::string, std::string>{{"redis_version", "7.0.15"}, {"role", "master"}, {"last", "a:b"}}));
}

TEST_F(RedisConnectionTest, SpeaksBytesOfAllKindsOverPortsAndSockets) {
    RedisServer server;
    const std::string bytes("\0\r\n$5\xff", 6);
    SourceSpec spec = server.source();
    spec.options["url"] = "unix://" + server.folder() + "/redis.sock";
    for (const SourceSpec& source : {server.source(), spec}) {
        RedisConnection connection(redis_settings(source), Code::source);
        EXPECT_TRUE(connection.call({"SET", bytes, bytes}).is_text("OK"));
        EXPECT_EQ(connection.call({"GET", bytes}).text, bytes);
        EXPECT_EQ(connection.call({"GET", "nothing"}).kind, RedisReply::Kind::nil);
        EXPECT_EQ(connection.call({"DBSIZE"}).integer, 1);
        EXPECT_TRUE(connection.ask({"NONSENSE"}).is_error());
        EXPECT_EQ(error_of([&] { connection.call({"NONSENSE"}); }).code(), Code::source);
        EXPECT_EQ(connection.config("dbfilename", ""), "dump.rdb");
        EXPECT_EQ(connection.config("no-such-thing", "otherwise"), "otherwise");
    }
}

TEST_F(RedisConnectionTest, SendsManyAndLargeCommandsWithoutWaiting) {
    RedisServer server;
    RedisConnection connection(redis_settings(server.source()), Code::source);
    const std::string large(3'000'000, 'x');
    for (int i = 0; i < 3000; ++i) connection.send({"SET", "k" + std::to_string(i), "v"});
    connection.send_open(4, {"SET", "large"}, large.size());
    connection.send_raw(view_of(large));
    connection.send_close({"KEEPTTL"});
    for (int i = 0; i < 3001; ++i) EXPECT_TRUE(connection.read().is_text("OK"));
    EXPECT_EQ(connection.call({"STRLEN", "large"}).integer, 3'000'000);
}

TEST_F(RedisConnectionTest, APasswordIsAskedForAndNeverQuoted) {
    RedisServer server;
    server.command({"ACL", "SETUSER", "rag", "on", ">s3cret", "~*", "+@all"});
    server.set_password("s3cret");
    SourceSpec spec = server.source();
    RedisConnection(redis_settings(spec), Code::source).call({"GET", "x"});
    const std::string address = "127.0.0.1:" + std::to_string(server.port());
    spec.options["url"] = "redis://rag:s3cret@" + address;
    RedisConnection(redis_settings(spec), Code::source).call({"GET", "x"});
    spec.options["url"] = "redis://rag:wr0ng@" + address;
    const Error wrong = refused(spec);
    EXPECT_EQ(wrong.code(), Code::source);
    EXPECT_NE(std::string(wrong.what()).find("logging in as rag"), std::string::npos) << wrong.what();
    EXPECT_EQ((wrong.what() + wrong.hint()).find("wr0ng"), std::string::npos) << wrong.what();
    spec.options["url"] = "redis://" + address;
    EXPECT_NE(std::string(refused(spec).what()).find("asks for a password"), std::string::npos);
}

TEST_F(RedisConnectionTest, NoServerAndAHangingOneAreErrorsInTime) {
    RedisServer server;
    SourceSpec spec = server.source();
    spec.options["timeout"] = "300ms";
    server.kill(SIGSTOP);
    const int64_t began = mono_now_ns();
    EXPECT_NE(std::string(refused(spec).what()).find("does not answer"), std::string::npos);
    EXPECT_LT(mono_now_ns() - began, 2'000'000'000);
    server.kill(SIGCONT);
    server.kill(SIGKILL);
    const Error gone = refused(spec);
    EXPECT_NE(std::string(gone.what()).find("connecting"), std::string::npos) << gone.what();
    EXPECT_FALSE(gone.hint().empty());
}

}  // namespace
}  // namespace ingot
