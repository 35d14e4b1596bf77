#include "drivers/nginx_reload.h"

#include "base/clock.h"
#include "nginx_fixture.h"

namespace ingot {
namespace {

class NginxReloadTest : public testing::Test {
protected:
    void SetUp() override { REQUIRE_NGINX(); }

    NginxReload reload() const {
        NginxReload out;
        out.command.argv = {find_nginx("nginx", 10'000)->path, "-c", tree_.conf(), "-p", tree_.root() + "/var/", "-s", "reload"};
        out.error_logs = {tree_.root() + "/var/error.log"};
        out.limit_ms = 20'000;
        return out;
    }
    std::optional<pid_t> master() const { return running_nginx(tree_.root() + "/var/nginx.pid"); }

    TestFolder folder_;
    NginxTree tree_{folder_.folder("root")};
};

TEST_F(NginxReloadTest, FindsTheMasterOfAPidFileOnlyWhereItIsAnNginx) {
    EXPECT_EQ(master(), std::nullopt);
    const std::string mine = std::to_string(::getpid());
    for (const std::string& text : {std::string(), std::string("x"), std::string("0"), std::string("1"), std::string("-5"),
                                    std::string("99999999999"), mine}) {
        put(tree_.root() + "/var/nginx.pid", text);
        EXPECT_EQ(master(), std::nullopt) << text;
    }
    const NginxServer server(tree_);
    EXPECT_EQ(master(), server.pid());
}

TEST_F(NginxReloadTest, ReturnsWhenTheNewConfigIsServed) {
    const NginxServer server(tree_);
    EXPECT_EQ(served(tree_.port()), "one");
    for (int round = 0; round < 5; ++round) {
        const std::string answer = "round" + std::to_string(round);
        tree_.site(answer);
        const int64_t began = mono_now_ns();
        reload_nginx(reload(), master());
        EXPECT_EQ(served(tree_.port()), answer);
        std::printf("reload seen through in %lld ms\n", static_cast<long long>((mono_now_ns() - began) / 1'000'000));
    }
    EXPECT_EQ(master(), server.pid());
}

TEST_F(NginxReloadTest, ATakenPortIsSaidThoughTheSignalWasSent) {
    const NginxServer server(tree_);
    const LoopbackPort taken;
    tree_.site("two", "server { listen 127.0.0.1:" + std::to_string(taken.port()) + "; }\n");
    const Error error = error_of([&] { reload_nginx(reload(), master()); });
    EXPECT_EQ(error.code(), Code::failed);
    EXPECT_NE(std::string(error.what()).find("failed (98: Address already in use)"), std::string::npos) << error.what();
    EXPECT_FALSE(error.hint().empty());
    EXPECT_EQ(served(tree_.port()), "one");
}

TEST_F(NginxReloadTest, AConfigThatTheSignalledMasterRefusesIsSaidAtOnce) {
    const NginxServer server(tree_);
    tree_.site("two", "nonsense;\n");
    NginxReload plain = reload();
    plain.command = Command::shell("kill -HUP " + std::to_string(server.pid()), "/");
    const int64_t began = mono_now_ns();
    const Error error = error_of([&] { reload_nginx(plain, master()); });
    EXPECT_NE(std::string(error.what()).find("unknown directive \"nonsense\""), std::string::npos) << error.what();
    EXPECT_LT(mono_now_ns() - began, 5'000'000'000);
    EXPECT_EQ(error_of([&] { reload_nginx(reload(), master()); }).code(), Code::failed);  // nginx -s reload reads it itself
    EXPECT_EQ(served(tree_.port()), "one");
}

TEST_F(NginxReloadTest, ACommandThatFailsOrDoesNothingIsNoReload) {
    const NginxServer server(tree_);
    NginxReload own = reload();
    own.command = Command::shell("echo no such service >&2; exit 5", "/");
    EXPECT_NE(std::string(error_of([&] { reload_nginx(own, master()); }).what()).find("no such service"), std::string::npos);
    own.command = Command::shell(":", "/");
    own.limit_ms = 200;
    EXPECT_NE(std::string(error_of([&] { reload_nginx(own, master()); }).what()).find("no new worker process"),
              std::string::npos);
    reload_nginx(own, std::nullopt);  // nobody to look at: the command is believed
}

}  // namespace
}  // namespace ingot
