#include "restore/compat_words.h"

#include <gtest/gtest.h>

namespace ingot {
namespace {

TEST(CompatWords, StatusesAsPeopleWriteThem) {
    for (const char* cell : {"✅", "✔️ yes", "OK", "Yes (since 2.1)", "compatible", "✅ no migration needed",
                             ":white_check_mark:", "Fully supported", "🟢", "[x]", "✓", "✅ Current"})
        EXPECT_EQ(verdict_of(cell), Verdict::fine) << cell;
    for (const char* cell : {"⚠️", "WARN", "partial", "⚠ needs a re-index", "untested", "not tested", ":warning: see #12",
                             "Deprecated", "[UNVERIFIED]", "unknown", "🟡 Compatible"})
        EXPECT_EQ(verdict_of(cell), Verdict::warning) << cell;
    for (const char* cell : {"❌", "INCOMPATIBLE", "no", "No, use 2.x", "no – drops tables", "not supported", "Non-compatible",
                             "unsupported", "does not work", ":x:", "🔴", "❌ No schema support", "broken"})
        EXPECT_EQ(verdict_of(cell), Verdict::refused) << cell;
    for (const char* cell : {"", "+", "see notes", "no known issues", "x", "-", "nothing"})
        EXPECT_EQ(verdict_of(cell), std::nullopt) << cell;
}

TEST(CompatWords, ColumnsAreFoundByTheirHeaders) {
    std::vector<MatrixComponent> components = usual_components();
    components.push_back({"qdrant", {"qdrant"}});
    const auto component = [&](const char* header) { return role_of(header, components).component; };
    for (const char* header : {"Binary", "App version", "Application", "Release", "🚀 Service version"})
        EXPECT_EQ(component(header), "application") << header;
    for (const char* header : {"Schema", "DB schema", "schema_version schema", "App schema", "Database", "Migration"})
        EXPECT_EQ(component(header), "schema") << header;
    for (const char* header : {"Collection", "Qdrant collection"}) EXPECT_EQ(component(header), "collection") << header;
    EXPECT_EQ(component("Qdrant server"), "qdrant");
    for (const char* header : {"Status", "Release status", "Compatible?", "Supported", "Verdict"})
        EXPECT_EQ(role_of(header, components).kind, ColumnRole::Kind::status) << header;
    EXPECT_EQ(role_of("Notes", components).kind, ColumnRole::Kind::remark);
    EXPECT_EQ(role_of("MyTool version", components).kind, ColumnRole::Kind::version);
    EXPECT_EQ(role_of("Node", components).kind, ColumnRole::Kind::other);
    EXPECT_EQ(role_of("Qdrant version >=1.19", components).rest, ">=1.19");
}

}  // namespace
}  // namespace ingot
