#include "drivers/mongodb.h"

#include <set>
#include <sstream>

#include "tests/support/mongo_server.h"

namespace ingot {
namespace {

class MongoDriverTest : public testing::Test {
protected:
    void SetUp() override { REQUIRE_MONGO(); }

    void begin(const std::vector<std::string>& options = {}) { server_ = std::make_unique<MongoStandIn>(options); }
    SourceSpec spec(const std::string& login = "") {
        SourceSpec out = server_->source(login);
        out.spool_dir = folder_.folder("spool");
        return out;
    }
    std::map<std::string, std::string> files(Pin& pin) {
        std::map<std::string, std::string> out;
        for (ReadEntry& read : read_pin(pin)) out[read.entry.path] = std::move(read.bytes);
        return out;
    }

    TestFolder folder_;
    std::unique_ptr<MongoStandIn> server_;
};

TEST_F(MongoDriverTest, ASnapshotSessionReadsAllAtTheTimeOfItsFirstRead) {
    begin();
    fill_with_all_kinds(*server_);
    MongoDriver driver(spec());
    driver.prepare();
    const auto pin = driver.pin();
    read_pin(*pin);
    std::istringstream lines(server_->commands());
    int first = 0, later = 0;
    std::set<std::string> times;
    for (std::string line; std::getline(lines, line);) {
        if (line.find("\"level\": \"snapshot\"") == std::string::npos) continue;
        EXPECT_NE(line.find("\"lsid\": true"), std::string::npos) << line;
        const std::string at = line.substr(line.find("\"at\": ") + 6);
        (at.starts_with("0,") ? first : later)++;
        if (!at.starts_with("0,")) times.insert(at.substr(0, at.find(',')));
    }
    EXPECT_EQ(first, 1);
    EXPECT_GE(later, 7);
    EXPECT_EQ(times.size(), 1U);
}

TEST_F(MongoDriverTest, StoresNamesViewsAndCappedCollections) {
    begin();
    fill_with_all_kinds(*server_);
    MongoDriver driver(spec());
    driver.prepare();
    const auto pin = driver.pin();
    const auto found = files(*pin);
    EXPECT_TRUE(found.contains("s.mongodb/app/odd%2Fname %25.bson"));
    EXPECT_FALSE(found.contains("s.mongodb/app/recent.bson"));
    EXPECT_NE(found.at("s.mongodb/app/recent.json").find("\"viewOn\" : \"chunks\""), std::string::npos);
    EXPECT_FALSE(found.at("s.mongodb/app/log.bson").empty());
    EXPECT_EQ(found.at("s.mongodb/app/chunks.json").find("uuid"), std::string::npos);
    // A capped collection is of a later moment, and that is said.
    EXPECT_EQ(pin->consistency(), PinConsistency::fuzzy);
    ASSERT_EQ(pin->notes().size(), 1U);
    EXPECT_NE(pin->notes()[0].find("app.log is capped"), std::string::npos) << pin->notes()[0];
}

TEST_F(MongoDriverTest, WithoutSnapshotsItIsFuzzyOrReadWhileWritersArePaused) {
    begin({"--standalone"});
    server_->insert_many("chunks", 500);
    {
        MongoDriver driver(spec());
        driver.prepare();
        const auto pin = driver.pin();
        read_pin(*pin);
        EXPECT_EQ(pin->consistency(), PinConsistency::fuzzy);
        ASSERT_EQ(pin->notes().size(), 1U);
        EXPECT_NE(pin->notes()[0].find("no snapshots"), std::string::npos);
    }
    SourceSpec paused = spec();
    paused.options["writers"] = "paused";
    MongoDriver driver(paused);
    driver.prepare();
    const auto pin = driver.pin();
    server_->insert_many("chunks", 10, 1000);
    files(*pin);
    EXPECT_EQ(std::get<int64_t>(pin->facts().at("documents")), 500);
    EXPECT_EQ(pin->consistency(), PinConsistency::pinned);
}

TEST_F(MongoDriverTest, WhatIsExcludedOrARestoresIsLeftAlone) {
    begin();
    server_->insert_many("chunks", 5);
    server_->insert_many("cache_a", 5);
    server_->insert_many("chunks__ingot_old_0123456789abcdef", 5);
    server_->insert_many("system.js", 1);
    server_->insert("other", {R"({"_id": 1})"}, "elsewhere");
    SourceSpec with = spec();
    with.exclude = {"app/cache_*"};
    MongoDriver driver(with);
    driver.prepare();
    const auto pin = driver.pin();
    std::vector<std::string> paths;
    for (const auto& [path, bytes] : files(*pin)) paths.push_back(path);
    EXPECT_EQ(paths, (std::vector<std::string>{"s.mongodb", "s.mongodb/app", "s.mongodb/app/chunks.bson",
                                               "s.mongodb/app/chunks.json", "s.mongodb/server.json"}));
    SourceSpec both = spec();
    both.options["databases"] = "app\nelsewhere";
    MongoDriver wide(both);
    EXPECT_TRUE(files(*wide.pin()).contains("s.mongodb/elsewhere/other.bson"));
}

TEST_F(MongoDriverTest, FactsCountInTheSnapshot) {
    begin();
    server_->insert_many("chunks", 300);
    SourceSpec with = spec();
    with.facts = {{"all", "chunks"}, {"old", R"(chunks {"_id": {"$lt": 100}})"}, {"full", "app/chunks"}};
    MongoDriver driver(with);
    const auto pin = driver.pin();
    server_->insert_many("chunks", 10, 1000);
    const Facts facts = pin->facts();
    EXPECT_EQ(std::get<int64_t>(facts.at("all")), 300);
    EXPECT_EQ(std::get<int64_t>(facts.at("old")), 100);
    EXPECT_EQ(std::get<int64_t>(facts.at("full")), 300);
    EXPECT_EQ(std::get<int64_t>(facts.at("documents")), 300);
}

TEST_F(MongoDriverTest, AnswersAProbesQuestionFromTheLiveStateAndWritesNothing) {
    begin();
    server_->insert_many("chunks", 300);
    SourceSpec quick = spec();
    quick.options["timeout"] = "500ms";
    MongoDriver driver(quick);
    const std::string before = server_->content();
    EXPECT_EQ(driver.ask_live("chunks"), Fact(int64_t{300}));
    EXPECT_EQ(driver.ask_live(R"(app/chunks {"_id": {"$lt": 100}})"), Fact(int64_t{100}));
    EXPECT_EQ(driver.ask_live("none"), Fact(int64_t{0}));
    server_->insert_many("chunks", 10, 1000);
    EXPECT_EQ(driver.ask_live("chunks"), Fact(int64_t{310}));
    for (const char* bad : {"", "/chunks", "app/", "chunks {"})
        EXPECT_EQ(error_of([&] { (void)driver.ask_live(bad); }).code(), Code::failed) << bad;
    server_->command(R"({"delete": "chunks", "deletes": [{"q": {"_id": {"$gte": 1000}}, "limit": 0}]})");
    EXPECT_EQ(server_->content(), before);
    // Of a source with several databases a question names one.
    SourceSpec both = spec();
    both.options["databases"] = "app\nelsewhere";
    MongoDriver wide(both);
    EXPECT_NE(std::string(error_of([&] { (void)wide.ask_live("chunks"); }).what()).find("names no database"), std::string::npos);
    EXPECT_EQ(wide.ask_live("app/chunks"), Fact(int64_t{300}));
    server_->kill(SIGSTOP);
    EXPECT_EQ(error_of([&] { (void)driver.ask_live("chunks"); }).code(), Code::failed);
    server_->kill(SIGCONT);
    server_->kill(SIGKILL);
    EXPECT_EQ(error_of([&] { (void)driver.ask_live("chunks"); }).code(), Code::failed);
}

TEST_F(MongoDriverTest, ACollectionThatIsDroppedWhileItIsReadFailsTheSource) {
    begin();
    server_->insert_many("chunks", 2000);
    server_->insert_many("later", 10);
    SourceSpec with = spec();
    MongoDriver driver(with);
    driver.prepare();
    const auto pin = driver.pin();
    server_->command(R"({"drop": "later"})");
    // Read before the drop it is whole; after it the server answers with nothing, which must not pass for an empty collection.
    try {
        const auto found = files(*pin);
        EXPECT_FALSE(found.at("s.mongodb/app/later.bson").empty());
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), Code::source);
    }
}

TEST_F(MongoDriverTest, RefusesWhatItCannotTakeAndNeverShowsAPassword) {
    const auto refused = [&](const std::string& login, const std::string& words) {
        const Error error = error_of([&] {
            MongoDriver driver(spec(login));
            driver.prepare();
        });
        EXPECT_EQ(error.code(), Code::source);
        EXPECT_NE(std::string(error.what()).find(words), std::string::npos) << error.what();
        EXPECT_EQ((error.what() + error.hint()).find("s3cret"), std::string::npos) << error.what();
        EXPECT_FALSE(error.hint().empty());
    };
    begin({"--mongos"});
    refused("", "mongos");
    begin();
    refused("", "no collection");
    server_->command(R"({"create": "measured", "timeseries": {"timeField": "t"}})");
    refused("", "time series");
    begin({"--user", "rag", "--password", "s3cret"});
    refused("", "requires authentication");
    refused("rag:s3cret%2Fwrong@", "Authentication failed");
    refused("other:s3cret@", "Authentication failed");
    MongoDriver driver(spec("rag:s3cret@"));
    EXPECT_NE(std::string(error_of([&] { driver.prepare(); }).what()).find("no collection"), std::string::npos);
    SourceSpec apart = spec("rag@");
    apart.options["password_file"] = folder_ / "password";
    put(folder_ / "password", "s3cret\n");
    ASSERT_EQ(::chmod((folder_ / "password").c_str(), 0600), 0);
    MongoDriver second(apart);
    EXPECT_NE(std::string(error_of([&] { second.prepare(); }).what()).find("no collection"), std::string::npos);
}

TEST_F(MongoDriverTest, AServerThatHangsWhileItIsReadIsASourceErrorWithinItsTimeout) {
    begin();
    server_->insert_many("chunks", 2000);
    MongoDriver driver(spec());
    driver.prepare();
    server_->kill(SIGSTOP);
    const int64_t began = mono_now_ns();
    EXPECT_EQ(error_of([&] { driver.pin(); }).code(), Code::source);
    EXPECT_LT(mono_now_ns() - began, 8'000'000'000);
    server_->kill(SIGCONT);
    MongoDriver again(spec());
    EXPECT_EQ(files(*again.pin()).size(), 5U);
}

}  // namespace
}  // namespace ingot
