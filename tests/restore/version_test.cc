#include "restore/version.h"

#include <gtest/gtest.h>

namespace ingot {
namespace {

using Numbers = std::vector<uint64_t>;

TEST(Version, IsReadAsPeopleWriteIt) {
    EXPECT_EQ(parse_version("v1.2.0").numbers, (Numbers{1, 2, 0}));
    EXPECT_EQ(parse_version("V1.2.0").text, "1.2.0");
    EXPECT_EQ(parse_version(" 1.2 ").numbers, (Numbers{1, 2}));
    EXPECT_EQ(parse_version("15.8 (Debian 15.8-1.pgdg120+1)").numbers, (Numbers{15, 8}));
    EXPECT_EQ(parse_version("PostgreSQL 15").numbers, (Numbers{15}));
    EXPECT_EQ(parse_version("release-2.1").numbers, (Numbers{2, 1}));
    EXPECT_EQ(parse_version("app/v3.4.5").numbers, (Numbers{3, 4, 5}));
    EXPECT_EQ(parse_version("42").numbers, (Numbers{42}));
    EXPECT_EQ(parse_version("1.25-alpine").numbers, (Numbers{1, 25}));
    EXPECT_TRUE(parse_version("20240115093000_add_users").labelled);
}

TEST(Version, OfACommitOrABranchIsNoNumber) {
    for (const char* text : {"abc1234", "7a3f2c19", "1234abc", "main", "", "v", "feature/x", "99999999999999999999"})
        EXPECT_TRUE(parse_version(text).numbers.empty()) << text;
}

TEST(Version, DoesNotCountWhatGitDescribeAdds) {
    for (const char* text : {"v1.4.2-3-gabc1234", "v1.4.2-3-gabc1234-dirty", "v1.4.2-dirty", "1.4.2+build.5"}) {
        const Version version = parse_version(text);
        EXPECT_EQ(version.numbers, (Numbers{1, 4, 2})) << text;
        EXPECT_TRUE(version.prerelease.empty() && !version.labelled) << text;
    }
}

TEST(Version, BeforeARelease) {
    EXPECT_EQ(parse_version("1.5.0-rc.1").prerelease, "rc.1");
    EXPECT_EQ(parse_version("15beta2").prerelease, "beta2");
    EXPECT_EQ(compare_versions(parse_version("1.5.0-rc1"), parse_version("1.5.0")), -1);
    EXPECT_EQ(compare_versions(parse_version("1.5.0"), parse_version("1.5.0-rc1")), 1);
    EXPECT_EQ(compare_versions(parse_version("1.5.0-rc1"), parse_version("1.5")), 0);
    EXPECT_EQ(compare_versions(parse_version("1.5.0-rc1"), parse_version("1.5.0-rc2")), -1);
}

TEST(Version, IsComparedByAsManyNumbersAsThePatternHas) {
    EXPECT_EQ(compare_versions(parse_version("1.4.7"), parse_version("1.4")), 0);
    EXPECT_EQ(compare_versions(parse_version("1.4"), parse_version("1.4.1")), -1);
    EXPECT_EQ(compare_versions(parse_version("1.10"), parse_version("1.9")), 1);
    EXPECT_EQ(major_of("15.8 (Debian)"), 15U);
    EXPECT_EQ(major_of("main"), std::nullopt);
}

}  // namespace
}  // namespace ingot
