// TLS to a real server, with certificates made for each run.
#include "drivers/redis_tls.h"

#include <fmt/format.h>

#include "drivers/redis.h"
#include "tests/support/redis_server.h"

namespace ingot {
namespace {

// A CA, and what it signed: for a server of that name and address, and for a client.
class Certificates {
public:
    explicit Certificates(const TestFolder& folder, const std::string& prefix, const std::string& names)
        : ca(folder / (prefix + "ca.crt")), cert(folder / (prefix + "server.crt")), key(folder / (prefix + "server.key")) {
        const std::string ca_key = folder / (prefix + "ca.key"), request = folder / (prefix + "request"),
                          extensions = folder / (prefix + "extensions");
        put(extensions, "subjectAltName=" + names + "\n");
        const std::string make = "openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
        run(fmt::format("{} -x509 -days 2 -subj /CN={}ca -keyout {} -out {}", make, prefix, ca_key, ca));
        run(fmt::format("{} -subj /CN={}server -keyout {} -out {}", make, prefix, key, request));
        run(fmt::format("openssl x509 -req -days 2 -in {} -CA {} -CAkey {} -CAcreateserial -extfile {} -out {}", request, ca,
                        ca_key, extensions, cert));
    }
    const std::string ca, cert, key;

private:
    static void run(const std::string& command) { ASSERT_EQ(std::system((command + " >/dev/null 2>&1").c_str()), 0) << command; }
};

class RedisTlsTest : public testing::Test {
protected:
    void SetUp() override {
        if (!RedisServer::installed() || std::system("openssl version >/dev/null 2>&1") != 0) {
            if (std::getenv("CI") != nullptr) FAIL() << "redis-server or openssl is missing";
            GTEST_SKIP() << "no redis-server or no openssl on this host";
        }
        ours_ = std::make_unique<Certificates>(folder_, "ours-", "DNS:cache.internal,IP:127.0.0.1");
    }
    void start(const std::string& auth_clients) {
        tls_port_ = RedisServer::free_port();
        server_ = std::make_unique<RedisServer>(
            std::vector<std::string>{"--tls-port", std::to_string(tls_port_), "--tls-cert-file", ours_->cert, "--tls-key-file",
                                     ours_->key, "--tls-ca-cert-file", ours_->ca, "--tls-auth-clients", auth_clients});
    }
    SourceSpec spec(std::map<std::string, std::string> more = {}) const {
        SourceSpec out;
        out.name = "s";
        out.driver = "redis";
        out.root = folder_.path();
        out.spool_dir = folder_.path();
        out.options = std::move(more);
        out.options.emplace("url", fmt::format("rediss://127.0.0.1:{}", tls_port_));
        out.options["timeout"] = "2s";
        return out;
    }
    std::unique_ptr<RedisConnection> connect(const std::map<std::string, std::string>& more) const {
        return std::make_unique<RedisConnection>(redis_settings(spec(more)), Code::failed);
    }
    Error refused(const std::map<std::string, std::string>& more) const {
        return error_of([&] { connect(more); });
    }

    TestFolder folder_;
    std::unique_ptr<Certificates> ours_;
    std::unique_ptr<RedisServer> server_;
    int tls_port_ = 0;
};

TEST_F(RedisTlsTest, SpeaksToAServerWhoseCertificateIsOfANamedAuthority) {
    start("no");
    const auto connection = connect({{"tls_ca", ours_->ca}});
    EXPECT_EQ(connection->shown(), fmt::format("rediss://127.0.0.1:{}", tls_port_));
    const std::string long_value(3'000'000, 'x');
    connection->call({"SET", "key", long_value});
    EXPECT_EQ(connection->call({"GET", "key"}).text, long_value);
    // Many at once, answers later: writes wait for the server, and the server for us.
    for (int i = 0; i < 20'000; ++i) connection->send({"SET", "k" + std::to_string(i % 100), "0123456789"});
    for (int i = 0; i < 20'000; ++i) ASSERT_FALSE(connection->read().is_error());
    EXPECT_EQ(connect({{"tls_ca", ours_->ca}, {"tls_name", "cache.internal"}})->call({"PING"}).text, "PONG");
}

TEST_F(RedisTlsTest, ACertificateOfNobodyOrOfAnotherNameIsRefused) {
    start("no");
    const Certificates theirs(folder_, "theirs-", "IP:127.0.0.1");
    for (const auto& more : std::vector<std::map<std::string, std::string>>{
             {}, {{"tls_ca", theirs.ca}}, {{"tls_ca", ours_->ca}, {"tls_name", "other.internal"}}}) {
        const Error error = refused(more);
        EXPECT_NE(std::string(error.what()).find("its certificate is not trusted"), std::string::npos) << error.what();
        EXPECT_NE(error.hint().find("tls_ca"), std::string::npos) << error.hint();
    }
}

TEST_F(RedisTlsTest, AServerThatAsksForACertificateGetsOne) {
    start("yes");
    const Error error = refused({{"tls_ca", ours_->ca}});
    EXPECT_NE(std::string(error.what()).find("TLS"), std::string::npos) << error.what();
    EXPECT_EQ(connect({{"tls_ca", ours_->ca}, {"tls_cert", ours_->cert}, {"tls_key", ours_->key}})->call({"PING"}).text, "PONG");
    const Certificates theirs(folder_, "theirs-", "IP:127.0.0.1");
    EXPECT_EQ(refused({{"tls_ca", ours_->ca}, {"tls_cert", theirs.cert}, {"tls_key", theirs.key}}).code(), Code::failed);
    const Error mixed = refused({{"tls_ca", ours_->ca}, {"tls_cert", ours_->cert}, {"tls_key", theirs.key}});
    EXPECT_NE(std::string(mixed.what()).find("tls_key"), std::string::npos) << mixed.what();
}

TEST_F(RedisTlsTest, FilesThatAreNoCertificatesAreNamed) {
    start("no");
    put(folder_ / "text", "no certificate");
    for (const std::string& file : {folder_ / "text", folder_ / "nowhere"}) {
        const Error error = refused({{"tls_ca", file}});
        EXPECT_NE(std::string(error.what()).find(file), std::string::npos) << error.what();
    }
}

TEST_F(RedisTlsTest, APortWithoutTlsIsSaid) {
    start("no");
    const Error error = refused({{"tls_ca", ours_->ca}, {"url", fmt::format("rediss://127.0.0.1:{}", server_->port())}});
    EXPECT_NE(error.hint().find("tls-port"), std::string::npos) << error.what() << error.hint();
}

TEST_F(RedisTlsTest, AServerThatHangsInTheHandshakeIsNotWaitedForLong) {
    start("no");
    server_->kill(SIGSTOP);
    const Error error = refused({{"tls_ca", ours_->ca}});
    server_->kill(SIGCONT);
    EXPECT_NE(std::string(error.what()).find("does not begin TLS"), std::string::npos) << error.what();
}

TEST_F(RedisTlsTest, AServerThatDiesEndsTheConnection) {
    start("no");
    const auto connection = connect({{"tls_ca", ours_->ca}});
    connection->call({"PING"});
    server_->kill(SIGKILL);
    EXPECT_EQ(error_of([&] { connection->call({"PING"}); }).code(), Code::failed);
}

TEST_F(RedisTlsTest, ASnapshotComesAndGoesBackThroughIt) {
    start("yes");
    const std::map<std::string, std::string> keys = {{"tls_ca", ours_->ca}, {"tls_cert", ours_->cert}, {"tls_key", ours_->key}};
    for (int i = 0; i < 500; ++i)
        server_->command({"SET", "key" + std::to_string(i), std::string(2000, static_cast<char>('a' + i % 26))});
    const std::string before = server_->content();
    RedisDriver driver(spec(keys));
    driver.prepare();
    {
        const auto pin = driver.pin();
        put_files_of(*pin, folder_ / "staged");
    }
    server_->command({"FLUSHALL"});
    server_->command({"SET", "other", "1"});
    TargetSpec target;
    target.fs = &real_filesystem();
    target.staged_dir = folder_ / "staged";
    target.work_dir = folder_.folder("work");
    target.restore_id = "0123456789abcdef";
    const auto engine = driver.engine_target(target);
    engine->preflight(), engine->stage(), engine->prepare_undo(), engine->swap();
    engine->discard();
    EXPECT_EQ(server_->content(), before);
}

TEST(RedisTlsSettings, KeysThatDoNotBelongTogetherAreRefused) {
    const auto error = [](std::map<std::string, std::string> options) {
        SourceSpec spec;
        spec.name = "s";
        spec.root = "/srv";
        spec.options = std::move(options);
        return std::string(error_of([&] { redis_settings(spec); }).what());
    };
    EXPECT_NE(error({{"url", "rediss://h"}, {"tls_cert", "/c"}}).find("tls_cert"), std::string::npos);
    EXPECT_NE(error({{"url", "rediss://h"}, {"tls_key", "/k"}}).find("tls_key"), std::string::npos);
    EXPECT_NE(error({{"url", "redis://h"}, {"tls_ca", "/c"}}).find("tls_ca"), std::string::npos);
    SourceSpec spec;
    spec.name = "s";
    spec.root = "/srv";
    spec.options = {{"url", "rediss://:secret@h:7000"}, {"tls_ca", "ca.crt"}};
    const RedisSettings settings = redis_settings(spec);
    EXPECT_TRUE(settings.url.tls);
    EXPECT_EQ(settings.shown(), "rediss://h:7000");
    EXPECT_EQ(settings.tls_ca, "/srv/ca.crt");
}

}  // namespace
}  // namespace ingot
