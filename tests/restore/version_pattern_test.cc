#include "restore/version_pattern.h"

#include <gtest/gtest.h>

#include <string>

namespace ingot {
namespace {

// "+1.2 -1.3 ?main": which versions fit, which do not, and of which it cannot be told.
void expect_fits(const std::string& cell, const std::string& versions) {
    const std::optional<VersionPattern> pattern = VersionPattern::parse(cell);
    ASSERT_TRUE(pattern) << cell;
    for (size_t at = 0; at < versions.size();) {
        const size_t end = std::min(versions.find(' ', at), versions.size());
        const Fit wanted = versions[at] == '+' ? Fit::yes : versions[at] == '-' ? Fit::no : Fit::unknown;
        const std::string version = versions.substr(at + 1, end - at - 1);
        EXPECT_EQ(pattern->fits(version), wanted) << cell << " and " << version;
        at = end + 1;
    }
}

TEST(VersionPattern, ExactVersionsAndSeries) {
    expect_fits("v1.2.0", "+1.2.0 +v1.2.0 +1.2 -1.2.1 -1.2.0-rc1 ?abc1234 +v1.2.0-3-gabc1234");
    expect_fits("1.2.x", "+1.2.0 +v1.2.17 -1.3.0 -1.20");
    expect_fits("1.2.*", "+1.2.0 -1.1.9");
    expect_fits("1.2", "+1.2.0 +1.2 -1.3");
    expect_fits("PostgreSQL 15", "+15.8 -16.1");
    expect_fits("main", "+main -1.2 -other");
    expect_fits("0001_initial", "+0001_initial -0002_users");
    expect_fits("42", "+42 -43 -4");
}

TEST(VersionPattern, Bounds) {
    expect_fits(">=1.2", "+1.2.0 +1.10 +2 -1.1.9 ?main");
    expect_fits("≥ 1.2", "+1.2 -1.1");
    expect_fits("> 1.2", "+1.3 -1.2.9");
    expect_fits("<= 1.4", "+1.4.7 -1.5");
    expect_fits("< 3.1.0", "+3.0.9 +3.1.0-rc1 -3.1.0");
    expect_fits("!=1.3", "+1.2 -1.3.1");
    expect_fits("1.2+", "+1.2 +3 -1.1");
    expect_fits("3.2.0 or later", "+3.2.0 -3.1");
    expect_fits("3.2 and up", "+4 -3.1");
    expect_fits("1.4 or older", "+1.4 +0.9 -1.5");
    expect_fits("since 2", "+2.0 -1.9");
    expect_fits("up to 2", "+2.9 -3");
    expect_fits("before 2", "+1.9 -2.0");
}

TEST(VersionPattern, LowerAndUpperBoundsBelongTogether) {
    for (const char* cell : {">=1.2 <2", ">=1.2, <2", ">= 1.2 and < 2", "<2,>=1.2", ">=1.2,<2"})
        expect_fits(cell, "+1.2 +1.9.9 -2.0 -1.1");
    expect_fits("<1.2, >=2", "+1.1 +2.0 -1.5");
    expect_fits(">=1.2 <2 !=1.5", "+1.4 -1.5.1");
}

TEST(VersionPattern, Ranges) {
    for (const char* cell : {"1.2 - 1.4", "1.2 – 1.4", "1.2–1.4", "1.2 to 1.4", "1.2..1.4", "1.2-1.4", "v1.2 - v1.4"})
        expect_fits(cell, "+1.2 +1.3 +1.4.9 -1.5 -1.1");
    expect_fits("3.1.0 - 3.1.x", "+3.1.0 +3.1.5 -3.2");
    expect_fits("40-45", "+40 +45 -46");
    expect_fits("2024-05", "+2024-05 -2023-05");
}

TEST(VersionPattern, Series) {
    expect_fits("^1.2.3", "+1.2.3 +1.9 -2.0 -1.2.2");
    expect_fits("^0.2.3", "+0.2.9 -0.3.0");
    expect_fits("~1.2.3", "+1.2.9 -1.3");
    expect_fits("~> 1.2", "+1.9 -2.0 -1.1");
    expect_fits("~=1.2.3", "+1.2.5 -1.3");
}

TEST(VersionPattern, Alternatives) {
    for (const char* cell : {"1.2, 1.4.x", "1.2 or 1.4", "1.2 / 1.4", "1.2/1.4", "1.2 and 1.4", "1.2 || 1.4"})
        expect_fits(cell, "+1.2.1 +1.4.0 -1.3");
    expect_fits("release/1.2", "+release/1.2 +1.2 -1.3");
    expect_fits("1.4 or earlier, 2.0", "+1.3 +2.0 -1.5");
}

TEST(VersionPattern, AnyVersion) {
    for (const char* cell : {"", "*", "any", "ALL", "-", "—", "N/A", "x"}) {
        const auto pattern = VersionPattern::parse(cell);
        ASSERT_TRUE(pattern) << cell;
        EXPECT_TRUE(pattern->any()) << cell;
        EXPECT_EQ(pattern->fits("whatever"), Fit::yes) << cell;
    }
}

TEST(VersionPattern, RemarksBehindAVersionDoNotCount) {
    expect_fits("15.x (LTS)", "+15.8 -16");
    expect_fits("0.1.x (Phase 0-3)", "+0.1.9 -0.2");
}

TEST(VersionPattern, ProseIsNone) {
    for (const std::string& cell : {std::string("see notes below"), std::string(">=main"), std::string("the one we run"),
                                    std::string(">="), std::string("<2 >= <"), std::string(500, '1')})
        EXPECT_FALSE(VersionPattern::parse(cell)) << cell;
}

}  // namespace
}  // namespace ingot
