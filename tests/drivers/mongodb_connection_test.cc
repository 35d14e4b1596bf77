#include "drivers/mongodb_connection.h"

#include "tests/support/mongo_server.h"

namespace ingot {
namespace {

class MongoConnectionTest : public testing::Test {
protected:
    void SetUp() override { REQUIRE_MONGO(); }
};

TEST_F(MongoConnectionTest, KnowsWhatKindOfServerItIs) {
    const MongoStandIn set;
    EXPECT_TRUE(set.connect().server().snapshots && set.connect().server().writable && !set.connect().server().mongos);
    EXPECT_EQ(set.connect().server().major, 6);
    EXPECT_EQ(set.connect().address_database(), "app");
    const MongoStandIn alone({"--standalone", "--version", "4.4.1"});
    EXPECT_FALSE(alone.connect().server().snapshots || alone.connect().server().replica_set);
    EXPECT_EQ(alone.connect().server().version, "4.4.1");
}

TEST_F(MongoConnectionTest, WhatIsInsertedIsReadInBatches) {
    const MongoStandIn server;
    server.insert_many("chunks", 1500);
    int64_t seen = 0;
    server.connect().read("app", "chunks", {}, [&](ByteView document) {
        EXPECT_EQ(Bson(document, "it").number("_id"), seen);
        ++seen;
    });
    EXPECT_EQ(seen, 1500);
    EXPECT_EQ(server.connect().count("app", "chunks"), 1500);
    EXPECT_EQ(server.connect().count_matching("app", "chunks", Bson::from_json(R"({"_id": {"$lt": 10}})", "it"), false), 10);
    EXPECT_NE(server.commands().find("getMore"), std::string::npos);
    EXPECT_EQ(server.connect().databases(), (std::vector<std::string>{"app"}));
}

TEST_F(MongoConnectionTest, ARefusalIsAskedForOrThrown) {
    const MongoStandIn server;
    EXPECT_FALSE(server.connect().ask("app", Bson().set("noSuchThing", 1)));
    EXPECT_EQ(server.connect().refused_code(), MongoConnection::kCommandNotFound);
    const Error error = error_of([&] { server.connect().command("app", Bson().set("drop", "nothing")); });
    EXPECT_EQ(error.code(), Code::failed);
    EXPECT_NE(std::string(error.what()).find("drop: ns not found"), std::string::npos) << error.what();
    const std::string half("\x10\0\0\0", 4);
    EXPECT_EQ(error_of([&] { server.connect().insert("app", "a", view_of(half), false); }).code(), Code::damaged);
}

}  // namespace
}  // namespace ingot
