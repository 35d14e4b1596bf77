// Databases of a drill. What holds for every kind of scratch target is in tests/contract.
#include "drivers/mongodb_scratch.h"

#include "drivers/mongodb.h"
#include "tests/support/mongo_server.h"

namespace ingot {
namespace {

class MongoScratchTest : public testing::Test {
protected:
    void SetUp() override { REQUIRE_MONGO(); }

    void begin(const std::vector<std::string>& options = {}) {
        server_ = std::make_unique<MongoStandIn>(options);
        fill_with_all_kinds(*server_, 50);
        spec_ = server_->source();
        spec_.spool_dir = folder_.folder("spool");
        MongoDriver driver(spec_);
        driver.prepare();
        put_files_of(*driver.pin(), folder_ / "artifact");
    }
    ScratchSpec scratch() const { return scratch_of(folder_); }
    bool left() const {
        for (const std::string& name : server_->connect().databases()) {
            if (name.starts_with("ingot_drill")) return true;
        }
        return false;
    }

    TestFolder folder_;
    std::unique_ptr<MongoStandIn> server_;
    SourceSpec spec_;
};

TEST_F(MongoScratchTest, ItsDatabasesStandForTheLiveOnesAndASnapshotLeavesThemOut) {
    begin();
    const int64_t then = std::get<int64_t>(MongoDriver(spec_).ask_live("chunks"));
    server_->insert("chunks", {R"({"_id": 99999, "text": "later"})"});
    MongoDriver driver(spec_);
    const auto target = driver.scratch_target(scratch());
    target->load();
    EXPECT_TRUE(left());
    MongoDriver restored(target->source());
    EXPECT_EQ(std::get<int64_t>(restored.ask_live("chunks")), then);
    EXPECT_EQ(std::get<int64_t>(restored.ask_live("app/chunks")), then);
    EXPECT_EQ(std::get<int64_t>(driver.ask_live("chunks")), then + 1);
    SourceSpec all = spec_;
    all.options["uri"] = all.options["uri"].substr(0, all.options["uri"].find('/', 10)) + "/";
    MongoDriver everything(all);
    everything.prepare();
    for (const ReadEntry& read : read_pin(*everything.pin()))
        EXPECT_EQ(read.entry.path.find("ingot_drill"), std::string::npos) << read.entry.path;
    target->remove();
    EXPECT_FALSE(left());
}

TEST_F(MongoScratchTest, AFailureHalfWayIsRemoved) {
    begin();
    MongoDriver driver(spec_);
    server_->fail("insert", 1);
    const auto target = driver.scratch_target(scratch());
    ASSERT_TRUE(target);
    const Error error = error_of([&] { target->load(); });
    EXPECT_EQ(error.code(), Code::failed) << error.what();
    server_->fail_nothing();
    target->remove();
    EXPECT_FALSE(left());
}

TEST_F(MongoScratchTest, TheConfigMayWantNone) {
    begin();
    spec_.options["scratch"] = "files";
    EXPECT_FALSE(MongoDriver(spec_).scratch_target(scratch()));
}

}  // namespace
}  // namespace ingot
