#include "cli/json.h"

#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

namespace ingot {

TEST(Json, EscapesWhatJsonDoesNotHold) {
    EXPECT_EQ(json_text("a\"b\\c"), R"("a\"b\\c")");
    EXPECT_EQ(json_text("line\nnext\ttab\r"), R"("line\nnext\ttab\r")");
    EXPECT_EQ(json_text(std::string("nul\0", 4) + "\x1b\x7f"), R"("nul\u0000\u001b\u007f")");
    EXPECT_EQ(json_text("Größe ✓"), "\"Größe ✓\"");
    EXPECT_EQ(json_text("\xff"), R"("\\xff")");
}

TEST(Json, EveryByteStringGivesTextThatAParserTakes) {
    std::string bytes;
    for (int i = 0; i < 256; ++i) bytes += static_cast<char>(i);
    for (size_t i = 0; i < bytes.size(); ++i) {
        EXPECT_TRUE(nlohmann::json::parse(json_text(bytes.substr(i, 3))).is_string()) << i;
    }
}

TEST(Json, KeepsTheOrderAndTypesOfFields) {
    JsonObject object("summary");
    object.add("n", uint64_t{18446744073709551615u}).add("minus", int64_t{-1}).add("share", 0.5).add("yes", true);
    // In a vector: of an optional that it sees to be empty, g++ 12 warns under sanitizers although nobody reads it.
    const std::vector<std::optional<int64_t>> optionals = {std::nullopt, 7};
    object.add("none", optionals[0]).add("some", optionals[1]).add("nan", std::nan(""));
    object.add("list", std::vector<std::string>{"a", "b\""})
        .add("facts", Facts{{"rows", int64_t{3}}, {"mode", std::string("wal")}});
    EXPECT_EQ(object.text(),
              R"({"message_type":"summary","n":18446744073709551615,"minus":-1,"share":0.5,"yes":true,"none":null,)"
              R"("some":7,"nan":null,"list":["a","b\""],"facts":{"mode":"wal","rows":3}})");
}

TEST(Json, PathsThatAreNotTextHaveTheirBytesBesideThem) {
    EXPECT_EQ(JsonObject().add_path("path", "a/b").text(), R"({"path":"a/b"})");
    EXPECT_EQ(JsonObject().add_path("path", "a\xff").text(), R"({"path":"a\\xff","path_hex":"61ff"})");
}

}  // namespace ingot
