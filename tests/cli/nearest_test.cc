#include "cli/nearest.h"

#include <gtest/gtest.h>

namespace ingot {

TEST(Nearest, CountsEditsAndTranspositions) {
    EXPECT_EQ(edit_distance("", "abc"), 3u);
    EXPECT_EQ(edit_distance("key_file", "key_file"), 0u);
    EXPECT_EQ(edit_distance("Path", "path"), 0u);
    EXPECT_EQ(edit_distance("paht", "path"), 1u);
    EXPECT_EQ(edit_distance("kitten", "sitting"), 3u);
    EXPECT_EQ(edit_distance(std::string(1 << 20, 'a'), "a"), size_t{1} << 20);
}

TEST(Nearest, NamesTheNearestWordOnlyWhereItIsNear) {
    const std::vector<std::string> known = {"key_file", "path", "snapshot", "show", "ls"};
    EXPECT_EQ(nearest("keyfile", known), "key_file");
    EXPECT_EQ(nearest("snapshto", known), "snapshot");
    EXPECT_EQ(nearest("l", known), "ls");
    EXPECT_EQ(nearest("frobnicate", known), std::nullopt);
    EXPECT_EQ(did_you_mean("pth", known), "; did you mean `path`?");
    EXPECT_EQ(did_you_mean("zzz", known), "");
}

}  // namespace ingot
