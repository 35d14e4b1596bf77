#include "drivers/glob.h"

#include <gtest/gtest.h>

#include <chrono>

namespace ingot {
namespace {

struct Case {
    const char* pattern;
    const char* path;
    bool matches;
};

TEST(Glob, MatchesAsItsPageSays) {
    const Case cases[] = {
        {"*.tmp", "a.tmp", true},
        {"*.tmp", "deep/down/a.tmp", true},
        {"*.tmp", "a.tmpx", false},
        {"logs/*.log", "logs/a.log", true},
        {"logs/*.log", "logs/b/a.log", false},
        {"logs/*.log", "x/logs/a.log", false},
        {"**/x", "x", true},
        {"**/x", "a/b/x", true},
        {"**/x", "a/bx", false},
        {"a/**/b", "a/b", true},
        {"a/**/b", "a/c/d/b", true},
        {"a/**/b", "a/cb", false},
        {"a/**", "a/b/c", true},
        {"a/**", "a", false},
        {"**", "any/thing", true},
        {"a/**b", "a/x/yb", true},
        {"?", "a", true},
        {"a?b", "a/b", false},
        {"[a-c]x", "bx", true},
        {"[!a-c]x", "bx", false},
        {"[^a-c]x", "dx", true},
        {"[]x]", "]", true},
        {"[a", "[a", true},
        {"[a-]", "-", true},
        {"a[!x]b/c", "a/b/c", false},
        {"\\*", "*", true},
        {"\\*", "a", false},
        {"cache/", "cache", true},
        {"./a/b", "a/b", true},
        {"", "", true},
        {"*", "", true},
        {"*a*b", "xaxbxb", true},
        {"a*/b*c", "ax/bxc", true},
        {"*/a*/b", "x/aa/b", true},
        {"**/a/*b", "a/a/a/xb", true},
        {"\xff*", "\xff\xfe", true},
        {"/etc/*.conf", "/etc/a.conf", true},
    };
    for (const Case& c : cases) EXPECT_EQ(Glob(c.pattern).matches(c.path), c.matches) << c.pattern << " on " << c.path;
}

TEST(Glob, TakesNoExponentialTime) {
    std::string pattern, deep;
    for (int i = 0; i < 30; ++i) {
        pattern += "*a";
        deep += "**a";
    }
    const std::string path(4000, 'a');
    const auto began = std::chrono::steady_clock::now();
    EXPECT_FALSE(Glob(pattern + "b").matches(path));
    EXPECT_FALSE(Glob(deep + "b").matches(path));
    EXPECT_FALSE(Glob("**/" + pattern + "/b").matches(path));
    EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(5));
}

TEST(GlobSet, AFolderThatMatchesStandsForAllBelowIt) {
    const GlobSet set({"cache", "data/tmp"});
    EXPECT_TRUE(set.matches_or_below("cache"));
    EXPECT_TRUE(set.matches_or_below("a/cache/b/c"));
    EXPECT_TRUE(set.matches_or_below("data/tmp/x"));
    EXPECT_FALSE(set.matches_or_below("data/tmpx"));
    EXPECT_FALSE(set.matches_or_below("cache/models/x", "cache/models"));  // a root below a folder of that name
    EXPECT_FALSE(GlobSet().matches_or_below("cache"));
}

}  // namespace
}  // namespace ingot
