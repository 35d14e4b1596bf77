#include "drivers/entry.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace ingot {
namespace {

TEST(ListingOrder, AFolderStandsRightBeforeWhatItHolds) {
    const std::vector<std::string> sorted = {"/etc",  "/etc/x", "a",   "a/b", "a/b/c", "a/z",
                                             "a\x01", "a b",    "a.b", "ab",  "b",     "\xff"};
    std::vector<std::string> shuffled(sorted.rbegin(), sorted.rend());
    std::sort(shuffled.begin(), shuffled.end(), listing_less);
    EXPECT_EQ(shuffled, sorted);
}

TEST(ListingOrder, IsStrict) {
    EXPECT_FALSE(listing_less("a", "a"));
    EXPECT_FALSE(listing_less("", ""));
    EXPECT_TRUE(listing_less("", "a"));
    EXPECT_FALSE(listing_less("a", ""));
}

}  // namespace
}  // namespace ingot
