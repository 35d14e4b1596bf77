#include "drivers/mongodb_target.h"

#include "drivers/mongodb.h"
#include "tests/support/mongo_server.h"

namespace ingot {
namespace {

constexpr const char* kId = "0123456789abcdef";

// A server with data, a staged artifact of it, and a later state that is live.
class MongoTargetTest : public testing::Test {
protected:
    void SetUp() override { REQUIRE_MONGO(); }

    void begin(const std::vector<std::string>& options = {}) {
        server_ = std::make_unique<MongoStandIn>(options);
        fill_with_all_kinds(*server_, 150);
        before_ = server_->content();
        stage_artifact();
        server_->command(R"({"delete": "chunks", "deletes": [{"q": {"_id": {"$gte": 10}}, "limit": 0}]})");
        server_->insert("chunks", {R"({"_id": 5000, "text": "wrong"})"});
        server_->command(R"({"drop": "types"})");
        server_->insert("later", {R"({"_id": 1, "later": true})"});
        server_->command(R"({"drop": "recent"})");
        server_->command(R"({"create": "recent", "viewOn": "later", "pipeline": []})");
        server_->command(R"({"create": "later view", "viewOn": "later", "pipeline": []})");
        after_ = server_->content();
    }
    void stage_artifact() {
        SourceSpec spec = server_->source();
        spec.spool_dir = folder_.folder("spool");
        MongoDriver driver(spec);
        driver.prepare();
        put_files_of(*driver.pin(), folder_ / "staged");
    }
    std::unique_ptr<EngineTarget> target() {
        TargetSpec spec;
        spec.fs = &real_filesystem();
        spec.staged_dir = folder_ / "staged";
        spec.work_dir = folder_ / "work";
        spec.restore_id = kId;
        SourceSpec source = server_->source(login_);
        source.spool_dir = folder_ / "spool";
        if (!timeout_.empty()) source.options["timeout"] = timeout_;
        driver_ = std::make_unique<MongoDriver>(source);
        return driver_->engine_target(spec);
    }
    std::string all() const { return server_->content("app", true); }

    TestFolder folder_;
    std::unique_ptr<MongoStandIn> server_;
    std::unique_ptr<MongoDriver> driver_;
    std::string before_, after_, login_, timeout_;
};

TEST_F(MongoTargetTest, APingSaysWhetherTheServerAnswersAndChangesNothing) {
    begin();
    timeout_ = "500ms";
    EXPECT_NO_THROW(target()->ping());
    EXPECT_EQ(all(), after_);
    server_->kill(SIGSTOP);
    EXPECT_EQ(error_of([&] { target()->ping(); }).code(), Code::failed);
    server_->kill(SIGCONT);
    EXPECT_NO_THROW(target()->ping());
    server_->kill(SIGKILL);
    EXPECT_EQ(error_of([&] { target()->ping(); }).code(), Code::failed);
}

TEST_F(MongoTargetTest, PutsEverythingBackAndTakesItAway) {
    begin();
    target()->preflight();
    EXPECT_EQ(all(), after_);
    for (int again = 0; again < 2; ++again) target()->stage();
    EXPECT_EQ(server_->content(), after_);
    for (int again = 0; again < 2; ++again) target()->prepare_undo();
    EXPECT_EQ(server_->content(), after_);
    for (int again = 0; again < 2; ++again) target()->swap();
    EXPECT_EQ(server_->content(), before_);
    EXPECT_NE(all().find("later__ingot_old_0123456789abcdef"), std::string::npos);
    for (int again = 0; again < 2; ++again) target()->undo();
    EXPECT_EQ(server_->content(), after_);
    target()->swap();
    EXPECT_EQ(server_->content(), before_);
    for (int again = 0; again < 2; ++again) target()->discard();
    EXPECT_EQ(all(), before_);
}

TEST_F(MongoTargetTest, DiscardedWithoutASwapNothingIsLeft) {
    begin();
    target()->stage();
    EXPECT_NE(all(), after_);
    for (int again = 0; again < 2; ++again) target()->discard();
    EXPECT_EQ(all(), after_);
}

TEST_F(MongoTargetTest, TheOldStateIsASourceOfItsOwn) {
    begin();
    EXPECT_FALSE(target()->old_state());
    target()->prepare_undo();
    EXPECT_FALSE(target()->old_state());
    target()->swap();
    const auto old = target()->old_state();
    ASSERT_TRUE(old);
    MongoDriver driver(*old);
    driver.prepare();
    const auto pin = driver.pin();
    bool later = false;
    for (const ReadEntry& read : read_pin(*pin)) {
        EXPECT_EQ(read.entry.path.find("__ingot_"), std::string::npos) << read.entry.path;
        later = later || (read.entry.path == "s__old.mongodb/app/later.bson" && !read.bytes.empty());
    }
    EXPECT_TRUE(later);
}

// Each rename, drop, create, insert and createIndexes fails once, at its n-th call; the undo works each time.
TEST_F(MongoTargetTest, AFailureAtAnyCommandOfTheSwapIsTakenBack) {
    begin();
    target()->stage();
    target()->prepare_undo();
    int failures = 0;
    for (const char* command : {"renameCollection", "create", "drop"}) {
        for (int after = 0;; ++after) {
            ASSERT_LT(after, 60);
            server_->fail(command, after);
            bool failed = false;
            try {
                target()->swap();
            } catch (const Error& error) {
                EXPECT_EQ(error.code(), Code::failed);
                failed = true;
            }
            server_->fail_nothing();
            if (failed) {
                ++failures;
                // What the swap began, another one ends; and the undo takes back what either did.
                if (after % 2 == 1) {
                    target()->swap();
                    EXPECT_EQ(server_->content(), before_) << command << " " << after;
                }
            } else {
                EXPECT_EQ(server_->content(), before_) << command;
            }
            target()->undo();
            EXPECT_EQ(server_->content(), after_) << command << " " << after;
            if (!failed) break;
        }
    }
    EXPECT_GE(failures, 10);
    std::printf("counted: %d commands that failed\n", failures);
}

TEST_F(MongoTargetTest, AFailureAtAnyCommandOfTheUndoIsFinishedByTheNextOne) {
    begin();
    target()->stage();
    target()->prepare_undo();
    int failures = 0;
    for (int after = 0;; ++after) {
        target()->swap();
        server_->fail("renameCollection", after);
        bool failed = false;
        try {
            target()->undo();
        } catch (const Error&) {
            failed = true;
        }
        server_->fail_nothing();
        target()->undo();
        EXPECT_EQ(server_->content(), after_) << after;
        if (!failed) break;
        ++failures;
    }
    EXPECT_GE(failures, 5);
}

TEST_F(MongoTargetTest, ALoadThatFailsLeavesNothing) {
    begin();
    for (const char* command : {"create", "insert", "createIndexes", "count"}) {
        server_->fail(command, command == std::string("createIndexes") ? 0 : 2);
        EXPECT_EQ(error_of([&] { target()->stage(); }).code(), Code::failed) << command;
        server_->fail_nothing();
        EXPECT_EQ(all(), after_) << command;
    }
    put(folder_ / "staged/s.mongodb/app/types.bson", get(folder_ / "staged/s.mongodb/app/types.bson").substr(3));
    EXPECT_EQ(error_of([&] { target()->stage(); }).code(), Code::damaged);
    EXPECT_EQ(all(), after_);
}

TEST_F(MongoTargetTest, KilledRightAfterTheSwapItComesBackWithTheNewState) {
    begin();
    target()->stage();
    target()->prepare_undo();
    target()->swap();
    server_->restart();
    EXPECT_EQ(server_->content(), before_);
    target()->undo();
    server_->restart();
    EXPECT_EQ(server_->content(), after_);
}

TEST_F(MongoTargetTest, WhatAnApplicationMakesMeanwhileIsKept) {
    begin();
    target()->stage();
    target()->prepare_undo();
    // After the plan, before the swap: set aside like all that is live.
    server_->insert("newest", {R"({"_id": 1})"});
    const std::string live = server_->content();
    target()->swap();
    EXPECT_EQ(server_->content(), before_);
    target()->undo();
    EXPECT_EQ(server_->content(), live);
    // In the middle of the swap: `types` is not live, so its name is free until it is renamed in.
    server_->fail("renameCollection", 5);
    EXPECT_EQ(error_of([&] { target()->swap(); }).code(), Code::failed);
    server_->fail_nothing();
    server_->insert("types", {R"({"_id": "of a writer that nobody stopped"})"});
    target()->swap();
    EXPECT_EQ(server_->content(), before_);
    target()->discard();
    EXPECT_NE(all().find("types__ingot_late_0123456789abcdef"), std::string::npos);
    EXPECT_NE(all().find("of a writer that nobody stopped"), std::string::npos);
}

TEST_F(MongoTargetTest, ACollectionThatWasReplacedMeanwhileIsNotTouched) {
    begin();
    target()->stage();
    target()->prepare_undo();
    server_->command(R"({"drop": "chunks"})");
    server_->insert("chunks", {R"({"_id": 1, "other": true})"});
    EXPECT_NE(std::string(error_of([&] { target()->swap(); }).what()).find("another collection"), std::string::npos);
    target()->undo();
    EXPECT_NE(server_->content().find("other"), std::string::npos);
}

TEST_F(MongoTargetTest, RefusesBeforehandWithWords) {
    begin();
    const auto refused = [&](const std::vector<std::string>& options, const std::string& words) {
        server_->restart_with(options);
        for (const bool staged : {false, true}) {
            const Error error = error_of([&] { staged ? target()->stage() : target()->preflight(); });
            EXPECT_EQ(error.code(), words == "version 5.0.9" ? Code::incompatible : Code::failed);
            EXPECT_NE(std::string(error.what()).find(words), std::string::npos) << error.what();
            EXPECT_EQ(std::string(error.what()).find("s3cret"), std::string::npos) << error.what();
            EXPECT_FALSE(error.hint().empty());
        }
        login_.clear();
        server_->restart_with({});
        EXPECT_EQ(all(), after_);
    };
    refused({"--mongos"}, "mongos");
    refused({"--secondary"}, "no primary");
    refused({"--version", "5.0.9"}, "version 5.0.9");
    login_ = "rag:s3cret@";
    refused({"--user", "rag", "--password", "s3cret", "--rights", "read"}, "may not insert");
    login_ = "rag:s3cret@";
    refused({"--user", "rag", "--password", "s3cret"}, "bypassDocumentValidation");
    login_ = "rag:s3cret-wrong@";
    refused({"--user", "rag", "--password", "s3cret"}, "Authentication failed");
    server_->insert(std::string(230, 'n'), {R"({"_id": 1})"});
    after_ = server_->content();
    EXPECT_NE(std::string(error_of([&] { target()->preflight(); }).what()).find("no room for the suffix"), std::string::npos);
}

TEST_F(MongoTargetTest, AServerThatHangsIsAnErrorWithinItsTimeout) {
    begin();
    target()->stage();
    target()->prepare_undo();
    server_->kill(SIGSTOP);
    const int64_t began = mono_now_ns();
    EXPECT_EQ(error_of([&] { target()->swap(); }).code(), Code::failed);
    EXPECT_LT(mono_now_ns() - began, 8'000'000'000);
    server_->kill(SIGCONT);
    target()->undo();
    EXPECT_EQ(server_->content(), after_);
    target()->swap();
    EXPECT_EQ(server_->content(), before_);
}

}  // namespace
}  // namespace ingot
