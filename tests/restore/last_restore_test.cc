#include "restore/last_restore.h"

#include <gtest/gtest.h>

#include "tests/base/temp_dir.h"
#include "tests/support/tree_model.h"

namespace ingot::test {
namespace {

TEST(LastRestoreFile, IsReadAsItWasNoted) {
    TempDir dir;
    FileSystem& fs = real_filesystem();
    EXPECT_FALSE(last_restore(fs, dir.path(), "rag"));
    note_last_restore(fs, dir.path(), "rag", {"0123456789abcdef", ""});
    EXPECT_EQ(last_restore(fs, dir.path(), "rag")->restore_id, "0123456789abcdef");
    EXPECT_EQ(last_restore(fs, dir.path(), "rag")->safety, "");
    note_last_restore(fs, dir.path(), "rag", {"fedcba9876543210", "ab12"});
    EXPECT_EQ(last_restore(fs, dir.path(), "rag")->restore_id, "fedcba9876543210");
    EXPECT_EQ(last_restore(fs, dir.path(), "rag")->safety, "ab12");
    EXPECT_FALSE(last_restore(fs, dir.path(), "other"));
}

TEST(LastRestoreFile, CountsAsNoneWhereItIsTorn) {
    TempDir dir;
    FileSystem& fs = real_filesystem();
    for (const std::string text : {"", "\n", "\nab\n", "abc", "abc\n", "abc\ndef"}) {
        replace_file(fs, dir.at("rag.last-restore"), view_of(text));
        EXPECT_FALSE(last_restore(fs, dir.path(), "rag")) << text;
    }
    replace_file(fs, dir.at("rag.last-restore"), view_of(std::string(5000, 'x')));
    EXPECT_FALSE(last_restore(fs, dir.path(), "rag"));
}

}  // namespace
}  // namespace ingot::test
