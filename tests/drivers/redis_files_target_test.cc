#include "drivers/redis_files_target.h"

#include "drivers/redis.h"
#include "tests/support/redis_server.h"

namespace ingot {
namespace {

// A server that is stopped, with a later state in its files than the staged artifact has.
class RedisFilesTargetTest : public testing::Test {
protected:
    void SetUp() override { REQUIRE_REDIS(); }

    void begin(const std::vector<std::string>& options = {}) {
        server_ = std::make_unique<RedisServer>(options);
        fill_with_all_types(*server_, 150);
        before_ = server_->content();
        RedisDriver driver(spec());
        driver.prepare();
        put_files_of(*driver.pin(), folder_ / "staged");
        server_->command({"SET", "text", "changed"});
        after_ = server_->content();
        if (options.empty()) server_->command({"SAVE"});
        server_->kill(SIGKILL);
    }
    SourceSpec spec() const {
        SourceSpec out = server_->source();
        out.spool_dir = folder_.folder("spool");
        out.options["data_dir"] = server_->folder();
        return out;
    }
    // Made anew for each step, as after a crash.
    std::unique_ptr<EngineTarget> target() {
        TargetSpec target;
        target.fs = &real_filesystem();
        target.staged_dir = folder_ / "staged";
        target.work_dir = folder_.folder("work");
        target.restore_id = "0123456789abcdef";
        driver_ = std::make_unique<RedisDriver>(spec());
        return driver_->engine_target(target);
    }
    void stage_and_swap() {
        target()->preflight();
        target()->ping();
        for (int again = 0; again < 2; ++again) target()->stage();
        for (int again = 0; again < 2; ++again) target()->prepare_undo();
        for (int again = 0; again < 2; ++again) target()->swap();
    }
    std::string content_when_started() {
        server_->start();
        std::string out = server_->content();
        server_->kill(SIGKILL);
        return out;
    }

    TestFolder folder_;
    std::unique_ptr<RedisServer> server_;
    std::unique_ptr<RedisDriver> driver_;
    std::string before_;
    std::string after_;
};

class RedisFilesKinds : public RedisFilesTargetTest, public testing::WithParamInterface<std::vector<std::string>> {};

TEST_P(RedisFilesKinds, PutsFilesInPlaceAndTakesThemAway) {
    begin(GetParam());
    stage_and_swap();
    EXPECT_EQ(content_when_started(), before_);
    for (int again = 0; again < 2; ++again) target()->undo();
    EXPECT_EQ(content_when_started(), after_);
    for (int again = 0; again < 2; ++again) target()->discard();
    EXPECT_FALSE(real_filesystem().exists(server_->folder() + "/.ingot-redis-0123456789abcdef"));
}

INSTANTIATE_TEST_SUITE_P(All, RedisFilesKinds,
                         testing::Values(std::vector<std::string>{}, std::vector<std::string>{"--appendonly", "yes"}));

TEST_F(RedisFilesTargetTest, NamesTheOldFilesUnderThePathsOfAStoppedServersSnapshot) {
    begin();
    const std::string old = get(server_->folder() + "/dump.rdb");
    EXPECT_TRUE(target()->replaced().empty());
    stage_and_swap();
    const std::vector<ReplacedFile> files = target()->replaced();
    ASSERT_EQ(files.size(), 1u);
    EXPECT_EQ(files[0].listing_path, "s.redis/files/dump.rdb");
    EXPECT_EQ(get(files[0].path), old);
    EXPECT_FALSE(target()->old_state());
}

TEST_F(RedisFilesTargetTest, NeverUndercutsAServerThatAnswers) {
    begin();
    stage_and_swap();
    server_->start();
    const std::string live = server_->content();
    for (const auto& step : {&EngineTarget::ping, &EngineTarget::swap, &EngineTarget::undo}) {
        try {
            ((*target()).*step)();
            ADD_FAILURE() << "exchanged under a server";
        } catch (const Error& error) {
            EXPECT_EQ(error.code(), Code::failed);
            EXPECT_NE(std::string(error.what()).find("answers now"), std::string::npos);
        }
    }
    EXPECT_EQ(server_->content(), live);
}

TEST_F(RedisFilesTargetTest, IsNotWhatARestoreGoesOnWithThatBeganByTheServer) {
    begin();
    put(folder_ / "work/plan", "");
    EXPECT_THROW(target()->ping(), Error);  // asks the server, which is stopped
    TargetSpec spec;
    spec.fs = &real_filesystem();
    spec.work_dir = folder_ / "work";
    EXPECT_FALSE(restores_by_redis_files(spec));
}

}  // namespace
}  // namespace ingot
