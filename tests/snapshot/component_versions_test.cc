#include "snapshot/component_versions.h"

#include "tests/snapshot/snapshot_test_base.h"

namespace ingot {
namespace {

class ComponentVersions : public SnapshotTest {
protected:
    VersionSpec of_command(const std::string& command) {
        VersionSpec spec;
        spec.name = "collection";
        spec.command = command;
        return spec;
    }
    VersionSpec of_query() {
        VersionSpec spec;
        spec.name = "schema";
        spec.source = "db";
        spec.query = "SELECT version";
        spec.fact = "schema_version";
        return spec;
    }
};

TEST_F(ComponentVersions, OfACommandIsItsFirstLine) {
    EXPECT_EQ(live_version(stack_, of_command("echo ' v3 '; echo more")), "v3");
    EXPECT_THROW((void)live_version(stack_, of_command("exit 3")), Error);
    EXPECT_THROW((void)live_version(stack_, of_query()), Error) << "there is no source db";
}

TEST_F(ComponentVersions, OfAPinIsItsFact) {
    EXPECT_EQ(pinned_version(of_query(), {{"schema_version", int64_t{42}}}), "42");
    EXPECT_EQ(pinned_version(of_query(), {{"schema_version", std::string("20240115_add")}}), "20240115_add");
    EXPECT_EQ(pinned_version(of_query(), {}), "");
}

TEST_F(ComponentVersions, AreRecordedWithTheSnapshot) {
    FakeSource db;
    db.add("a", "content");
    db.facts = {{"schema_version", int64_t{42}}};
    add("db", db);
    stack_.version_command = "echo v2.1";
    stack_.compatibility.versions = {of_query(), of_command("echo v3")};
    const TakeResult taken = take();
    EXPECT_EQ(taken.manifest.versions, (std::map<std::string, std::string>{{"schema", "42"}, {"collection", "v3"}}));
    ASSERT_EQ(snapshots().size(), 1U);
    EXPECT_EQ(snapshots()[0].manifest.versions, taken.manifest.versions);
    EXPECT_EQ(snapshots()[0].manifest.application_version, "v2.1");
}

TEST_F(ComponentVersions, ThatCannotBeToldAreAWarningOfTheSnapshot) {
    FakeSource db;
    db.add("a", "content");
    add("db", db);
    stack_.compatibility.versions = {of_query(), of_command("exit 3")};
    const TakeResult taken = take();
    EXPECT_TRUE(taken.manifest.versions.empty());
    ASSERT_EQ(taken.warnings.size(), 1U);
    EXPECT_NE(taken.warnings[0].find("the command of collection"), std::string::npos) << taken.warnings[0];
}

}  // namespace
}  // namespace ingot
