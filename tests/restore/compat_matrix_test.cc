#include "restore/compat_matrix.h"

#include <gtest/gtest.h>

namespace ingot {
namespace {

using Versions = std::map<std::string, std::string>;

std::vector<MatrixComponent> components() {
    std::vector<MatrixComponent> out = usual_components();
    out.push_back({"postgres", {"postgres", "postgresql", "pg"}});
    out.push_back({"qdrant", {"qdrant"}});
    return out;
}

MatrixAnswer ask(const std::string& markdown, const Versions& versions) {
    const CompatMatrix matrix = CompatMatrix::parse(markdown, components());
    EXPECT_TRUE(matrix.usable());
    return matrix.judge(versions);
}

constexpr const char* kPlain = R"(# What runs with what

| Binary   | Schema | Collection | Status              | Notes |
|----------|:------:|------------|---------------------|-------|
| `v2.x`   | >=40   | v3         | ✅ OK               |       |
| v1.9.x   | 38-40  | v2, v3     | ⚠️ re-index needed  | slow  |
| **1.x**  | <38    | v2         | ✅                  |       |
| 2.x      | < 40   | *          | **INCOMPATIBLE**    | drops a column |
)";

TEST(CompatMatrix, TheFirstRowThatFitsDecides) {
    EXPECT_EQ(ask(kPlain, {{"application", "v2.1.0"}, {"schema", "41"}, {"collection", "v3"}}).verdict, Verdict::fine);
    const MatrixAnswer warning = ask(kPlain, {{"application", "1.9.4"}, {"schema", "39"}, {"collection", "v2"}});
    EXPECT_EQ(warning.verdict, Verdict::warning);
    EXPECT_EQ(warning.line, 6);
    EXPECT_NE(warning.why.find("re-index"), std::string::npos) << warning.why;
    const MatrixAnswer refused = ask(kPlain, {{"application", "v2.1.0-3-gabc1234"}, {"schema", "39"}, {"collection", "v2"}});
    EXPECT_EQ(refused.verdict, Verdict::refused);
    EXPECT_EQ(refused.why, "line 8: application 2.x with schema < 40: INCOMPATIBLE");
}

TEST(CompatMatrix, WhatNoRowSaysIsAWarning) {
    const MatrixAnswer none = ask(kPlain, {{"application", "3.0"}, {"schema", "50"}, {"collection", "v4"}});
    EXPECT_EQ(none.verdict, Verdict::warning);
    EXPECT_EQ(none.line, 0);
}

TEST(CompatMatrix, AVersionThatIsNotKnownIsAWarningWhereItWouldMatter) {
    const MatrixAnswer unknown = ask(kPlain, {{"application", "v2.1"}, {"schema", ""}, {"collection", "v3"}});
    EXPECT_EQ(unknown.verdict, Verdict::warning);
    EXPECT_EQ(ask(kPlain, {{"application", "abc1234"}, {"schema", "41"}, {"collection", "v3"}}).verdict, Verdict::warning);
    // A row above that only may fit, and is no worse, changes nothing.
    EXPECT_EQ(ask("|App|Schema|OK|\n|-|-|-|\n|2|40|yes|\n|*|*|yes|\n", {{"application", "main"}, {"schema", "40"}}).verdict,
              Verdict::fine);
}

TEST(CompatMatrix, ColumnsMayStandInAnyOrderAndOthersAreLeftOut) {
    const std::string text = "|Status|Node|DB schema|App|\n|--|--|--|--|\n|❌ no|18|30|1.0|\n|✅|18|30|1.1|\n";
    EXPECT_EQ(ask(text, {{"application", "1.0"}, {"schema", "30"}}).verdict, Verdict::refused);
    EXPECT_EQ(ask(text, {{"application", "1.1"}, {"schema", "30"}}).verdict, Verdict::fine);
    const CompatMatrix matrix = CompatMatrix::parse(text, components());
    ASSERT_EQ(matrix.notes().size(), 1U);
    EXPECT_NE(matrix.notes()[0].find("\"Node\""), std::string::npos);
    EXPECT_EQ(matrix.components(), (std::vector<std::string>{"application", "schema"}));
}

TEST(CompatMatrix, AToolsOwnNameIsTheApplication) {
    const std::string text =
        "| MetricTool Version | Schema Version | Status |\n|---|---|---|\n| 3.2.0+ | v1.0.0 | ✅ Current |\n"
        "| 3.1.0 - 3.1.x | v1.0.0 | ✅ Compatible |\n| < 3.1.0 | N/A | ❌ No schema support |\n";
    EXPECT_EQ(ask(text, {{"application", "3.1.4"}, {"schema", "v1.0.0"}}).verdict, Verdict::fine);
    EXPECT_EQ(ask(text, {{"application", "3.0.9"}, {"schema", "v1.0.0"}}).verdict, Verdict::refused);
}

TEST(CompatMatrix, AGridHasVersionsInItsHeaders) {
    const std::string corner = "| App \\ Schema | 40 | 41 |\n|---|---|---|\n| 1.x | ✅ | ❌ |\n| 2.x | ⚠️ | ✅ |\n";
    const std::string named = "| App | Schema 40 | Schema 41 |\n|---|---|---|\n| 1.x | yes | no |\n| 2.x | partial | yes |\n";
    for (const std::string& text : {corner, named}) {
        EXPECT_EQ(ask(text, {{"application", "1.4"}, {"schema", "40"}}).verdict, Verdict::fine) << text;
        EXPECT_EQ(ask(text, {{"application", "1.4"}, {"schema", "41"}}).verdict, Verdict::refused) << text;
        EXPECT_EQ(ask(text, {{"application", "2.4"}, {"schema", "40"}}).verdict, Verdict::warning) << text;
        EXPECT_EQ(ask(text, {{"application", "2.4"}, {"schema", "42"}}).verdict, Verdict::warning) << text;
    }
}

TEST(CompatMatrix, WithoutAStatusWhatIsListedGoesTogether) {
    const std::string text =
        "| Release | PostgreSQL | Qdrant |\n|---|---|---|\n| 2.x | 15, 16 | 1.19.x |\n| 1.x | 14+ | 1.17–1.19 |\n";
    EXPECT_EQ(ask(text, {{"application", "2.0"}, {"postgres", "15.8"}, {"qdrant", "1.19.2"}}).verdict, Verdict::fine);
    EXPECT_EQ(ask(text, {{"application", "1.0"}, {"postgres", "16.1"}, {"qdrant", "1.18.0"}}).verdict, Verdict::fine);
    EXPECT_EQ(ask(text, {{"application", "2.0"}, {"postgres", "14.1"}, {"qdrant", "1.19.2"}}).verdict, Verdict::warning);
}

TEST(CompatMatrix, ABlankInTheFirstColumnIsTheCellAbove) {
    const std::string text = "|App|Schema|Status|\n|-|-|-|\n|2.x|41|ok|\n||40|incompatible|\n|1.x||ok|\n";
    EXPECT_EQ(ask(text, {{"application", "2.0"}, {"schema", "40"}}).verdict, Verdict::refused);
    EXPECT_EQ(ask(text, {{"application", "1.0"}, {"schema", "40"}}).verdict, Verdict::fine);
}

TEST(CompatMatrix, MinimumAndMaximumColumnsAreBounds) {
    const std::string text = "|App|Min schema|Max schema|Status|\n|-|-|-|-|\n|2.x|40|45|ok|\n|2.x|*|*|incompatible|\n";
    EXPECT_EQ(ask(text, {{"application", "2.0"}, {"schema", "43"}}).verdict, Verdict::fine);
    EXPECT_EQ(ask(text, {{"application", "2.0"}, {"schema", "46"}}).verdict, Verdict::refused);
    EXPECT_EQ(ask(text, {{"application", "2.0"}, {"schema", "39"}}).verdict, Verdict::refused);
}

TEST(CompatMatrix, TheWorstOfSeveralTablesCounts) {
    const std::string text =
        "| Sign | Meaning |\n|--|--|\n| ✅ | fine |\n\n|App|Schema|Status|\n|-|-|-|\n|2.x|*|ok|\n\n"
        "|App|Qdrant|Status|\n|-|-|-|\n|2.x|<1.19|❌|\n|2.x|>=1.19|✅|\n";
    EXPECT_EQ(ask(text, {{"application", "2.0"}, {"schema", "1"}, {"qdrant", "1.19.0"}}).verdict, Verdict::fine);
    EXPECT_EQ(ask(text, {{"application", "2.0"}, {"schema", "1"}, {"qdrant", "1.18.0"}}).verdict, Verdict::refused);
}

TEST(CompatMatrix, AStatusThatIsNotUnderstoodIsAWarning) {
    const std::string text = "|App|Schema|Status|\n|-|-|-|\n|2.x|*|++|\n";
    EXPECT_EQ(ask(text, {{"application", "2.0"}, {"schema", "1"}}).verdict, Verdict::warning);
    EXPECT_EQ(CompatMatrix::parse(text, components()).notes().size(), 1U);
}

TEST(CompatMatrix, ADocumentWithoutSuchATableIsNotUsable) {
    for (const char* text : {"", "no table", "| Sign | Meaning |\n|--|--|\n| ✅ | fine |\n", "|App|Notes|\n|-|-|\n|2|x|\n",
                             "|App|App|Status|\n|-|-|-|\n|1|2|ok|\n"})
        EXPECT_FALSE(CompatMatrix::parse(text, components()).usable()) << text;
}

}  // namespace
}  // namespace ingot
