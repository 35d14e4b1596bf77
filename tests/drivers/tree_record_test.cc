#include "drivers/tree_record.h"

#include "tests/drivers/test_folder.h"

namespace ingot {
namespace {

TEST(TreeRecord, ComesBackAsItWasWritten) {
    const TestFolder scratch;
    Spool spool(scratch.path());
    TreeRecordWriter writer(spool);
    TreeRecord file;
    file.entry.path = std::string("a/b\nc\xff", 6);
    file.entry.sparse = file.entry.growing = true;
    file.entry.mode = 04711;
    file.entry.uid = 7;
    file.entry.gid = UINT32_MAX;
    file.entry.mtime_ns = -5;
    file.entry.size = UINT64_MAX / 2;
    file.entry.xattrs = {{"user.a", std::string("\0x", 2)}, {"user.b", ""}};
    file.stat = {1, 2, -5, 4, UINT64_MAX / 2};
    file.names_digest = 9;
    writer.write(file);
    TreeRecord broken;
    broken.entry.path = "a/c";
    broken.unreadable = true;
    broken.problem = "why";
    broken.hint = "what next";
    writer.write(broken);
    writer.flush();

    TreeRecordReader reader(spool);
    const auto first = reader.next();
    ASSERT_TRUE(first);
    EXPECT_EQ(first->entry.path, file.entry.path);
    EXPECT_EQ(first->entry.xattrs, file.entry.xattrs);
    EXPECT_EQ(first->entry.mode, 04711u);
    EXPECT_EQ(first->entry.mtime_ns, -5);
    EXPECT_TRUE(first->entry.sparse && first->entry.growing && !first->unreadable);
    EXPECT_EQ(first->stat, file.stat);
    EXPECT_EQ(first->names_digest, 9u);
    const auto second = reader.next();
    ASSERT_TRUE(second);
    EXPECT_EQ(second->entry.path, "a/c");
    EXPECT_TRUE(second->unreadable);
    EXPECT_EQ(second->problem + second->hint, "whywhat next");
    EXPECT_FALSE(reader.next());
}

TEST(TreeRecord, ManyBlocksKeepTheirOrder) {
    const TestFolder scratch;
    Spool spool(scratch.path());
    TreeRecordWriter writer(spool);
    constexpr int kRecords = 20'000;
    for (int i = 0; i < kRecords; ++i) {
        TreeRecord record;
        record.entry.path = "folder/of/some/length/" + std::to_string(1'000'000 + i);
        writer.write(record);
    }
    writer.flush();
    TreeRecordReader reader(spool);
    for (int i = 0; i < kRecords; ++i) {
        const auto record = reader.next();
        ASSERT_TRUE(record);
        ASSERT_EQ(record->entry.path, "folder/of/some/length/" + std::to_string(1'000'000 + i));
    }
    EXPECT_FALSE(reader.next());
}

TEST(TreeRecord, AnEmptySpoolHoldsNone) {
    const TestFolder scratch;
    const Spool spool(scratch.path());
    EXPECT_FALSE(TreeRecordReader(spool).next());
}

}  // namespace
}  // namespace ingot
