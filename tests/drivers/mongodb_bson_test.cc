#include "drivers/mongodb_bson.h"

#include "tests/drivers/test_folder.h"

namespace ingot {
namespace {

TEST(MongoBson, HoldsWhatWasSet) {
    Bson inner;
    inner.set("n", 7).set("yes", true);
    Bson out;
    out.set("text", "a\xc3\xa4")
        .set("big", int64_t{9'000'000'000})
        .set("inner", inner)
        .set("list", std::vector<Bson>{inner, Bson()});
    out.set_texts("words", {"a", "b"});
    EXPECT_EQ(out.text("text"), "a\xc3\xa4");
    EXPECT_EQ(out.number("big"), 9'000'000'000);
    EXPECT_EQ(out.document("inner").number("n"), 7);
    EXPECT_TRUE(out.document("inner").flag("yes"));
    EXPECT_EQ(out.documents("list").size(), 2U);
    EXPECT_EQ(out.texts("words"), (std::vector<std::string>{"a", "b"}));
    EXPECT_EQ(out.number("text", -1), -1);
    EXPECT_EQ(out.text("big"), "");
    EXPECT_FALSE(out.without({"text", "list"}).has("list"));
    EXPECT_EQ(Bson(out.bytes(), "a copy"), out);
    EXPECT_TRUE(Bson().empty());
    EXPECT_EQ(Bson().set_all(out), out);
}

TEST(MongoBson, NothingIsLostInItsJson) {
    const std::string json = R"({ "_id" : { "$oid" : "65f000000000000000000001" }, "d" : { "$numberDecimal" : "1.5" }, )"
                             R"("t" : { "$timestamp" : { "t" : 1, "i" : 2 } }, "i" : { "$numberInt" : "1" } })";
    EXPECT_EQ(Bson::from_json(json, "it").json(), json);
    EXPECT_EQ(error_of([] { Bson::from_json("{\"a\": ", "it"); }).code(), Code::damaged);
    EXPECT_EQ(error_of([] { Bson::from_json("", "it"); }).code(), Code::damaged);
}

// Every length and every byte of a document is changed: it is refused, or still one that can be read through.
TEST(MongoBson, ADamagedDocumentIsRefusedOrReadable) {
    const Bson good = Bson::from_json(
        R"({"_id": "abc", "list": [1, {"x": {"$binary": {"base64": "AAH/", "subType": "00"}}}], "re": {"$regularExpression": {"pattern": "a", "options": "i"}}})",
        "it");
    int refused = 0, readable = 0;
    for (size_t at = 0; at < good.bytes().size(); ++at) {
        for (const int change : {1, 0x40, 0x80, 0xff}) {
            Bytes bytes(good.bytes().begin(), good.bytes().end());
            bytes[at] = static_cast<uint8_t>(bytes[at] ^ change);
            try {
                const Bson read(bytes, "it");
                (void)read.without({});
                (void)id_of(read.bytes());
                ++readable;
            } catch (const Error& error) {
                EXPECT_EQ(error.code(), Code::damaged);
                ++refused;
            }
        }
    }
    for (size_t length = 0; length < good.bytes().size(); ++length)
        EXPECT_EQ(error_of([&] { Bson(good.bytes().first(length), "it"); }).code(), Code::damaged);
    EXPECT_GT(refused, 50);
    std::printf("counted: %d damaged documents refused, %d readable\n", refused, readable);
}

TEST(MongoBson, TheIdIsFoundWithItsType) {
    const Bson number = Bson::from_json(R"({"a": 1, "_id": 7})", "it");
    const Bson text = Bson::from_json(R"({"_id": "7"})", "it");
    EXPECT_FALSE(id_of(number.bytes()).empty());
    EXPECT_NE(Bytes(id_of(number.bytes()).begin(), id_of(number.bytes()).end()),
              Bytes(id_of(text.bytes()).begin(), id_of(text.bytes()).end()));
    EXPECT_TRUE(id_of(Bson().bytes()).empty());
}

}  // namespace
}  // namespace ingot
