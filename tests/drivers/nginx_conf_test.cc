#include "drivers/nginx_conf.h"

#include <gtest/gtest.h>

#include <random>

namespace ingot {
namespace {

std::string shown(std::string_view text) {
    std::string out;
    for (const NginxDirective& each : parse_nginx(text)) {
        out += std::to_string(each.depth) + ":" + each.name;
        for (const std::string& argument : each.arguments) out += "|" + argument;
        out += "\n";
    }
    return out;
}

TEST(NginxConf, ReadsDirectivesAndBlocks) {
    EXPECT_EQ(
        shown("user www-data;\nevents { }\nhttp {\n  include /etc/nginx/*.conf ; server{listen 80 default_server;}\n}\npid x;"),
        "0:user|www-data\n0:events\n0:http\n1:include|/etc/nginx/*.conf\n1:server\n2:listen|80|default_server\n0:pid|x\n");
}

TEST(NginxConf, ReadsQuotesCommentsEscapesAndVariables) {
    EXPECT_EQ(shown("a 'b c;' \"d 'e' { \\\" f\"; # g h;\ni j#k l\\ m n\\;o;"), "0:a|b c;|d 'e' { \" f\n0:i|j#k|l\\ m|n\\;o\n");
    EXPECT_EQ(shown("root /srv/${host}/x; if ($a ~ ^b{2}$) { c; }"), "0:root|/srv/${host}/x\n0:if|($a|~|^b\n1:2}$)\n2:c\n");
}

TEST(NginxConf, SkipsTheBodiesOfLuaBlocks) {
    EXPECT_EQ(shown("location / { content_by_lua_block { local t = {a = \"}\"} -- }\n include x; } include y; }"),
              "0:location|/\n1:content_by_lua_block\n1:include|y\n");
}

TEST(NginxConf, ReadsAsFarAsBrokenFilesMakeSense) {
    EXPECT_EQ(shown("a b"), "");
    EXPECT_EQ(shown("} } a b; {"), "0:a|b\n");
    EXPECT_EQ(shown("a 'b"), "");
    EXPECT_EQ(shown("a {b c} d;"), "0:a\n1:b|c}|d\n");
    EXPECT_EQ(shown("x_by_lua_block {"), "0:x_by_lua_block\n");
    EXPECT_EQ(shown("\\"), "");
}

TEST(NginxConf, TellsPathsFromOtherArguments) {
    EXPECT_TRUE(is_literal_path("/etc/ssl/a.pem"));
    EXPECT_TRUE(is_literal_path("ssl/a.pem"));
    for (const char* other : {"", "/etc/ssl/$host.pem", "data:abc", "engine:x:y", "store:z"})
        EXPECT_FALSE(is_literal_path(other));
    EXPECT_FALSE(is_literal_path(std::string_view("a\0b", 3)));
}

TEST(NginxConf, AnyBytesAreReadInBoundedTime) {
    std::mt19937 random(7);
    const std::string letters = "ab {};\"'\\$#\n-_lua_block\xff";
    size_t directives = 0;
    for (int round = 0; round < 20'000; ++round) {
        std::string text = round % 3 == 0 ? "x_by_lua_block {" : "";
        for (size_t n = random() % 60; n > 0; --n) text += letters[random() % letters.size()];
        if (round % 7 == 0) text += '\0';
        directives += parse_nginx(text).size();
    }
    EXPECT_GT(directives, 10'000U);
    EXPECT_EQ(parse_nginx(std::string(3'000'000, '{')).size(), 0U);
    EXPECT_EQ(parse_nginx(std::string(3'000'000, '\\')).size(), 0U);
    std::printf("20,000 texts, %zu directives\n", directives);
}

}  // namespace
}  // namespace ingot
