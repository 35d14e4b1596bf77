#include "drivers/mongodb_plan.h"

#include "tests/drivers/test_folder.h"

namespace ingot {
namespace {

MongoNamespace named(const std::string& name, MongoNamespace::Kind kind = MongoNamespace::Kind::collection) {
    MongoNamespace out;
    out.name = name;
    out.kind = kind;
    out.uuid = "00" + name;
    if (kind == MongoNamespace::Kind::view) out.options.set("viewOn", "a");
    return out;
}

TEST(MongoPlan, HoldsWhatIsLiveAndWhatIsWanted) {
    MongoArtifact artifact;
    artifact.collections.push_back({"app", "both", {}, "", 0});
    artifact.collections.push_back({"app", "gone", {}, "", 0});
    MongoDescription view;
    view.view = true;
    view.options.set("viewOn", "a");
    artifact.collections.push_back({"app", "view", view, "", 0});
    MongoScope live;
    live.databases = {{"app", {named("both"), named("later"), named("view", MongoNamespace::Kind::view)}},
                      {"other", {named("x")}}};
    MongoPlan plan(artifact, live);
    EXPECT_EQ(plan.databases(), (std::vector<std::string>{"app", "other"}));
    ASSERT_EQ(plan.names().size(), 5U);
    EXPECT_TRUE(plan.names()[0].live_collection() && plan.names()[0].wanted_collection());
    EXPECT_EQ(plan.names()[0].uuid, "00both");
    EXPECT_TRUE(!plan.names()[1].live_collection() && plan.names()[1].wanted_collection());
    EXPECT_EQ(plan.names()[2].wanted, MongoPlanned::Kind::none);
    EXPECT_TRUE(plan.names()[3].same_view());
    // A collection that became live later is set aside too; what was seen before is not looked at again.
    live.databases[0].namespaces = {named("gone"), named("newest"), named("both")};
    live.databases[0].namespaces[2].uuid = "another";
    plan.extend(live);
    ASSERT_EQ(plan.names().size(), 6U);
    EXPECT_EQ(plan.names()[0].uuid, "00both");
    EXPECT_TRUE(plan.names()[1].live_collection());
    const MongoPlan read = MongoPlan::decode(plan.encode());
    EXPECT_EQ(read.encode(), plan.encode());
    EXPECT_EQ(read.names()[3].name, "newest");
}

TEST(MongoPlan, DamageIsSeen) {
    MongoScope live;
    live.databases = {{"app", {named("a")}}};
    const Bytes good = MongoPlan({}, live).encode();
    EXPECT_EQ(error_of([&] { MongoPlan::decode(ByteView(good).first(good.size() - 1)); }).code(), Code::damaged);
    const Bson other = Bson().set("ingot", 2);
    EXPECT_EQ(error_of([&] { MongoPlan::decode(other.bytes()); }).code(), Code::damaged);
    const Bson kind =
        Bson().set("ingot", 1).set("names", std::vector<Bson>{Bson().set("db", "a").set("name", "b").set("live", "table")});
    EXPECT_EQ(error_of([&] { MongoPlan::decode(kind.bytes()); }).code(), Code::damaged);
}

}  // namespace
}  // namespace ingot
