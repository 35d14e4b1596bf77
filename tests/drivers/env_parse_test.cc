#include "drivers/env_parse.h"

#include <gtest/gtest.h>

namespace ingot {
namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;

Pairs parse(std::string_view text) { return parse_env(view_of(text)); }

TEST(ParseEnv, ReadsWhatShellsAndDotenvLibrariesRead) {
    EXPECT_EQ(parse("A=1\nexport B = two words \nC='it # stays'\nD=\"x\\ny\\\"z\\q\"\nE=\n"),
              (Pairs{{"A", "1"}, {"B", "two words"}, {"C", "it # stays"}, {"D", "x\ny\"z\\q"}, {"E", ""}}));
}

TEST(ParseEnv, CommentsBlankLinesAndOtherLinesAreSkipped) {
    EXPECT_EQ(parse("# A=1\n\n   # x\nnot a pair\nB=2 # why\nC=a#b\n=nothing\nD=#all\n"),
              (Pairs{{"B", "2"}, {"C", "a#b"}, {"D", ""}}));
}

TEST(ParseEnv, WindowsLinesAndAByteOrderMark) {
    EXPECT_EQ(parse("\xef\xbb\xbf"
                    "A=1\r\nB=\"2\"\r\n"),
              (Pairs{{"A", "1"}, {"B", "2"}}));
}

TEST(ParseEnv, QuotedValuesMayTakeSeveralLines) {
    EXPECT_EQ(parse("K=\"-----BEGIN\nabc\n-----END\"\nN='a\nb'\nZ=1"),
              (Pairs{{"K", "-----BEGIN\nabc\n-----END"}, {"N", "a\nb"}, {"Z", "1"}}));
}

TEST(ParseEnv, AQuoteNeverClosedEndsWithItsLine) { EXPECT_EQ(parse("A=\"open\nB=2\n"), (Pairs{{"A", "\"open"}, {"B", "2"}})); }

TEST(ParseEnv, AKeyGivenTwiceComesTwice) { EXPECT_EQ(parse("A=1\nA=2"), (Pairs{{"A", "1"}, {"A", "2"}})); }

TEST(ParseEnv, AKeyCalledExportIsAKey) { EXPECT_EQ(parse("export=1"), (Pairs{{"export", "1"}})); }

TEST(ParseEnv, TakesAnyBytes) {
    EXPECT_EQ(parse(std::string_view("A=\0\xff\nB=1", 8)), (Pairs{{"A", std::string("\0\xff", 2)}, {"B", "1"}}));
    std::string noise;
    uint32_t seed = 1;
    for (int i = 0; i < 200'000; ++i) {
        seed = seed * 1664525 + 1013904223;
        noise += "=\n\"'\\# ABe\xff"[(seed >> 24) % 12];
    }
    EXPECT_GT(parse(noise.substr(0, 20'000)).size(), 0u);
    EXPECT_EQ(parse(""), Pairs{});
}

TEST(ParseEnv, ManyOpenQuotesTakeNoQuadraticTime) {
    std::string text;
    for (int i = 0; i < 300'000; ++i) text += "A=\"\\\n";
    parse(text);
}

}  // namespace
}  // namespace ingot
