// A temporary server of a drill. What holds for every kind of scratch target is in tests/contract.
#include "drivers/redis_scratch.h"

#include <chrono>

#include "drivers/redis.h"
#include "tests/support/redis_server.h"

namespace ingot {
namespace {

class RedisScratchTest : public testing::Test {
protected:
    void SetUp() override {
        if (RedisServer::installed()) return;
        if (std::getenv("CI") != nullptr) FAIL() << "no redis-server on this host";
        GTEST_SKIP() << "no redis-server on this host";
    }
    void take(const RedisServer& server) {
        spec_ = server.source();
        spec_.spool_dir = folder_.folder("spool");
        RedisDriver driver(spec_);
        driver.prepare();
        const auto pin = driver.pin();
        facts_ = pin->facts();
        put_files_of(*pin, folder_ / "artifact");
    }
    ScratchSpec scratch(const std::string& work = "work") const {
        ScratchSpec out;
        out.fs = &real_filesystem();
        out.artifact_dir = folder_ / "artifact";
        out.work_dir = folder_.folder(work);
        out.id = "0123456789abcdef";
        return out;
    }

    TestFolder folder_;
    SourceSpec spec_;
    Facts facts_;
};

TEST_F(RedisScratchTest, KeysThatExpiredSinceTheSnapshotAreCountedToo) {
    RedisServer server;
    server.command({"SET", "stays", "1"});
    server.command({"SET", "goes", "1", "PX", "200"});
    take(server);
    EXPECT_EQ(std::get<int64_t>(facts_.at("keys")), 2);
    while (server.command({"EXISTS", "goes"}).integer != 0) std::this_thread::sleep_for(std::chrono::milliseconds(20));
    RedisDriver driver(spec_);
    const auto target = driver.scratch_target(scratch());
    ASSERT_TRUE(target);
    const Facts found = target->load();
    for (const char* name : {"keys", "expires", "databases"}) EXPECT_EQ(found.at(name), facts_.at(name)) << name;
    target->remove();
}

TEST_F(RedisScratchTest, ADumpOfANewerVersionIsNoDamageAndSaysWhatToInstall) {
    RedisServer server;
    server.command({"SET", "a", "1"});
    take(server);
    const std::string path = folder_ / "artifact/s.redis/dump.rdb";
    std::string bytes = get(path);
    put(path, "REDIS9999" + bytes.substr(9));
    RedisDriver driver(spec_);
    const auto target = driver.scratch_target(scratch());
    const Error error = error_of([&] { target->load(); });
    EXPECT_EQ(error.code(), Code::failed) << error.what();
    EXPECT_NE(error.hint().find("as new as the live one"), std::string::npos) << error.what();
    bytes[bytes.size() - 1] = static_cast<char>(bytes[bytes.size() - 1] ^ 1);
    put(path, bytes);
    target->remove();
    EXPECT_EQ(error_of([&] { target->load(); }).code(), Code::damaged);
    target->remove();
    EXPECT_FALSE(real_filesystem().exists(folder_ / "work/redis-0123456789abcdef"));
}

TEST_F(RedisScratchTest, AFolderTooLongForTheAddressOfASocketIsNoObstacle) {
    RedisServer server;
    server.command({"SET", "a", "1"});
    take(server);
    RedisDriver driver(spec_);
    const auto target = driver.scratch_target(scratch(std::string(150, 'x')));
    EXPECT_EQ(std::get<int64_t>(target->load().at("keys")), 1);
    target->remove();
}

TEST_F(RedisScratchTest, WithoutADumpOrByTheConfigThereIsNone) {
    RedisServer server;
    spec_ = server.source();
    EXPECT_FALSE(RedisDriver(spec_).scratch_target(scratch()));
    take(server);
    EXPECT_TRUE(RedisDriver(spec_).scratch_target(scratch()));
    spec_.options["scratch"] = "files";
    EXPECT_FALSE(RedisDriver(spec_).scratch_target(scratch()));
}

}  // namespace
}  // namespace ingot
