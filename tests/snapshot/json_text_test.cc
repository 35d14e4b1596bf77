#include "snapshot/json_text.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace ingot {
namespace {

TEST(JsonText, PathsComeBackByteForByte) {
    for (const std::string& path : {std::string("models/a"), std::string("a\nb\x7f"), std::string("\xc3\xa4"),
                                    std::string("\xff/\xc3"), std::string("nul\0", 4), std::string("\xff\0", 2)}) {
        EXPECT_EQ(path_from_json(Json::parse(path_to_json(path).dump())), path);
    }
    EXPECT_EQ(path_to_json("models/a").dump(), "\"models/a\"");
    EXPECT_EQ(path_to_json("\xff").dump(), "{\"hex\":\"ff\"}");
    EXPECT_THROW(path_from_json(Json(7)), Error);
    EXPECT_THROW(path_from_json(Json::parse("{\"hex\":\"f\"}")), Error);
}

TEST(JsonText, FieldsHaveTheirTypesOrAreDamage) {
    const Json json = Json::parse(R"({"text":"t","int":-1,"uint":7,"real":1.5,"list":["a"],"mixed":["a",1]})");
    EXPECT_EQ(text_field(json, "text"), "t");
    EXPECT_EQ(int_field(json, "int"), -1);
    EXPECT_EQ(uint_field(json, "uint"), 7u);
    EXPECT_EQ(texts_field(json, "list"), std::vector<std::string>{"a"});
    EXPECT_THROW(text_field(json, "int"), Error);
    EXPECT_THROW(text_field(json, "none"), Error);
    EXPECT_THROW(uint_field(json, "int"), Error);
    EXPECT_THROW(int_field(json, "real"), Error);
    EXPECT_THROW(texts_field(json, "mixed"), Error);
    EXPECT_THROW(field(Json(7), "text"), Error);
}

}  // namespace
}  // namespace ingot
