#include "drivers/redis_target.h"

#include <sstream>

#include "drivers/redis.h"
#include "tests/support/redis_server.h"

namespace ingot {
namespace {

// A server with data, a staged artifact of it, and a later state that is live.
class RedisTargetTest : public testing::Test {
protected:
    void SetUp() override { REQUIRE_REDIS(); }

    void begin(const std::vector<std::string>& options = {}) {
        server_ = std::make_unique<RedisServer>(options);
        fill_with_all_types(*server_, 150);
        before_ = server_->content();
        stage_artifact();
        server_->command({"SET", "text", "changed"});
        server_->command({"DEL", "set:table"});
        server_->command({"SET", "later", "1"}, 3);
        server_->command({"FLUSHDB"}, 9);
        server_->command({"FUNCTION", "FLUSH"});
        server_->command({"FUNCTION", "LOAD", "#!lua name=later\nredis.register_function('later', function() return 1 end)"});
        after_ = server_->content();
    }
    void stage_artifact() {
        SourceSpec spec = server_->source();
        spec.spool_dir = folder_.folder("spool");
        RedisDriver driver(spec);
        driver.prepare();
        put_files_of(*driver.pin(), folder_ / "staged");
    }
    std::unique_ptr<EngineTarget> target() {
        TargetSpec spec;
        spec.fs = &real_filesystem();
        spec.staged_dir = folder_ / "staged";
        spec.work_dir = folder_ / "work";
        spec.restore_id = "0123456789abcdef";
        SourceSpec source = server_->source();
        source.spool_dir = folder_ / "spool";
        if (!spare_db_.empty()) source.options["spare_db"] = spare_db_;
        if (!save_timeout_.empty()) source.options["save_timeout"] = save_timeout_;
        driver_ = std::make_unique<RedisDriver>(source);
        return driver_->engine_target(spec);
    }
    std::string content_without_spares() const {
        std::string out;
        std::istringstream in(server_->content());
        for (std::string line; std::getline(in, line);) {
            const int db = std::stoi(line.substr(2));
            if (db < 10) out += line + "\n";
        }
        return out;
    }
    bool has_function(const std::string& name) const {
        return server_->command({"FUNCTION", "DUMP"}).text.find(name) != std::string::npos;
    }

    TestFolder folder_;
    std::unique_ptr<RedisServer> server_;
    std::unique_ptr<RedisDriver> driver_;
    std::string before_;
    std::string after_;
    std::string spare_db_;
    std::string save_timeout_;
};

TEST_F(RedisTargetTest, PutsEverythingBackAndTakesItAway) {
    begin();
    target()->preflight();
    EXPECT_NO_THROW(target()->ping());
    for (int again = 0; again < 2; ++again) target()->stage();
    EXPECT_EQ(content_without_spares(), after_);
    for (int again = 0; again < 2; ++again) target()->prepare_undo();
    EXPECT_EQ(content_without_spares(), after_);
    for (int again = 0; again < 2; ++again) target()->swap();
    EXPECT_EQ(content_without_spares(), before_);
    EXPECT_TRUE(has_function("answer"));
    EXPECT_FALSE(has_function("later"));
    for (int again = 0; again < 2; ++again) target()->undo();
    EXPECT_EQ(content_without_spares(), after_);
    EXPECT_TRUE(has_function("later"));
    target()->swap();
    EXPECT_EQ(content_without_spares(), before_);
    for (int again = 0; again < 2; ++again) target()->discard();
    EXPECT_EQ(server_->content(), before_);
}

TEST_F(RedisTargetTest, TheOldStateIsASourceOfItsOwn) {
    begin();
    EXPECT_FALSE(target()->old_state());
    target()->prepare_undo();
    target()->swap();
    auto old = target()->old_state();
    ASSERT_TRUE(old);
    RedisDriver driver(*old);
    const auto pin = driver.pin();
    read_pin(*pin);
    const Facts facts = pin->facts();
    // Databases 0, 1 and 3: what was live, and no marker.
    EXPECT_EQ(std::get<int64_t>(facts.at("databases")), 3);
    EXPECT_EQ(std::get<int64_t>(facts.at("keys")), std::count(after_.begin(), after_.end(), '\n'));
}

class RedisDurability : public RedisTargetTest, public testing::WithParamInterface<const char*> {};
INSTANTIATE_TEST_SUITE_P(Persistence, RedisDurability, testing::Values("none", "everysec", "always"));

TEST_P(RedisDurability, KilledRightAfterTheSwapItComesBackWithTheNewState) {
    const std::string sync = GetParam();
    begin(sync == "none" ? std::vector<std::string>{} : std::vector<std::string>{"--appendonly", "yes", "--appendfsync", sync});
    target()->stage();
    target()->prepare_undo();
    target()->swap();
    server_->restart();
    EXPECT_EQ(content_without_spares(), before_);
    target()->undo();
    server_->restart();
    EXPECT_EQ(content_without_spares(), after_);
}

TEST_F(RedisTargetTest, StagedAgainAfterTheServerLostIt) {
    begin();
    server_->command({"SAVE"});
    target()->prepare_undo();
    server_->restart();
    EXPECT_EQ(server_->content(), after_);
    target()->swap();
    EXPECT_EQ(content_without_spares(), before_);
}

TEST_F(RedisTargetTest, ADatabaseThatGotItsFirstKeyMeanwhileIsSetAsideToo) {
    begin();
    target()->stage();
    server_->command({"SET", "new", "1"}, 5);
    const std::string later = content_without_spares();
    target()->prepare_undo();
    target()->swap();
    EXPECT_EQ(content_without_spares(), before_);
    target()->undo();
    EXPECT_EQ(content_without_spares(), later);
}

TEST_F(RedisTargetTest, RefusesBeforehandWithWords) {
    begin();
    const auto refused = [&](const std::string& words) {
        const Error error = error_of([&] {
            target()->preflight();
            target()->stage();
        });
        EXPECT_EQ(error.code(), words.find("RDB version") != std::string::npos ? Code::incompatible : Code::failed);
        EXPECT_NE(std::string(error.what()).find(words), std::string::npos) << error.what();
        EXPECT_FALSE(error.hint().empty());
        EXPECT_EQ(content_without_spares(), after_);
    };
    server_->command({"CONFIG", "SET", "maxmemory", "1"});
    refused("maxmemory");
    server_->command({"CONFIG", "SET", "maxmemory", "0"});
    server_->command({"REPLICAOF", "127.0.0.1", "1"});
    refused("replica");
    server_->command({"REPLICAOF", "NO", "ONE"});
    spare_db_ = "1";
    refused("spare_db");
    spare_db_ = "400";
    refused("spare_db");
    spare_db_.clear();
    // A dump of a version that is not known yet, with its CRC made right.
    std::string dump = get(folder_ / "staged/s.redis/dump.rdb");
    dump.replace(5, 4, "0012");
    dump.replace(dump.size() - 8, 8, std::string(8, '\0'));
    put(folder_ / "staged/s.redis/dump.rdb", dump);
    refused("RDB version 12");
}

TEST_F(RedisTargetTest, ADamagedDumpChangesNothing) {
    begin();
    std::string dump = get(folder_ / "staged/s.redis/dump.rdb");
    dump[dump.size() / 2] = static_cast<char>(~dump[dump.size() / 2]);
    put(folder_ / "staged/s.redis/dump.rdb", dump);
    EXPECT_EQ(error_of([&] { target()->stage(); }).code(), Code::damaged);
    EXPECT_EQ(server_->content(), after_);
}

TEST_F(RedisTargetTest, NoSpareDatabaseIsSaidBeforeAnythingIsWritten) {
    begin();
    server_ = std::make_unique<RedisServer>(std::vector<std::string>{"--databases", "2"});
    server_->command({"SET", "a", "1"});
    server_->command({"SET", "b", "1"}, 1);
    const std::string live = server_->content();
    EXPECT_NE(std::string(error_of([&] { target()->preflight(); }).what()).find("no spare database"), std::string::npos);
    EXPECT_NE(std::string(error_of([&] { target()->stage(); }).what()).find("has a database 9"), std::string::npos);
    EXPECT_EQ(server_->content(), live);
}

TEST_F(RedisTargetTest, AServerThatHangsIsAnErrorWithinItsTimeout) {
    begin();
    target()->prepare_undo();
    server_->kill(SIGSTOP);
    const int64_t began = mono_now_ns();
    EXPECT_EQ(error_of([&] { target()->swap(); }).code(), Code::failed);
    EXPECT_LT(mono_now_ns() - began, 5'000'000'000);
    server_->kill(SIGCONT);
    EXPECT_EQ(content_without_spares(), after_);
    target()->swap();
    EXPECT_EQ(content_without_spares(), before_);
}

}  // namespace
}  // namespace ingot
