#include "cli/entries.h"

#include <gtest/gtest.h>

namespace ingot {

TEST(Entries, APathNamesASourceAnEntryOrWhatLiesBelow) {
    EXPECT_TRUE(path_covers("", "docs", "docs/a.txt"));
    EXPECT_TRUE(path_covers("docs", "docs", "x/a.txt")) << "the source";
    EXPECT_TRUE(path_covers("x", "docs", "x/a.txt")) << "a folder";
    EXPECT_TRUE(path_covers("docs/x/", "docs", "x/a.txt"));
    EXPECT_FALSE(path_covers("x", "docs", "xy/a.txt"));
    EXPECT_TRUE(path_covers("nginx//etc/nginx", "nginx", "/etc/nginx/nginx.conf"));
    EXPECT_TRUE(path_names("docs/x/a.txt", "docs", "x/a.txt"));
    EXPECT_TRUE(path_names("x/a.txt", "docs", "x/a.txt"));
    EXPECT_FALSE(path_names("x", "docs", "x/a.txt"));
    EXPECT_FALSE(path_names("docs", "docs", "x"));
}

TEST(Entries, ModesLookAsInLs) {
    Entry entry;
    entry.mode = 0640;
    EXPECT_EQ(mode_text(entry), "-rw-r-----");
    entry.type = EntryType::directory;
    entry.mode = 01777;
    EXPECT_EQ(mode_text(entry), "drwxrwxrwt");
    entry.type = EntryType::file;
    entry.mode = 04711;
    EXPECT_EQ(mode_text(entry), "-rws--x--x");
}

TEST(Entries, Sha256sumLinesEscapeAsThatProgramDoes) {
    const Digest digest;
    const std::string zeros(64, '0');
    EXPECT_EQ(sha256sum_line(digest, "a b"), zeros + "  a b");
    EXPECT_EQ(sha256sum_line(digest, "a\nb\\"), "\\" + zeros + "  a\\nb\\\\");
}

}  // namespace ingot
