#include "base/secret.h"

#include <gtest/gtest.h>

#include <type_traits>

namespace ingot {
namespace {

static_assert(!std::is_copy_constructible_v<Secret> && !std::is_copy_assignable_v<Secret>);

TEST(Secret, HoldsBytesAndMovesThem) {
    Secret secret = Secret::copy_of("correct horse");
    EXPECT_EQ(secret.text(), "correct horse");
    Secret moved = std::move(secret);
    EXPECT_EQ(moved.text(), "correct horse");
    EXPECT_TRUE(secret.empty());  // NOLINT: moved from, and empty
    Secret other = Secret::copy_of("x");
    other = std::move(moved);
    EXPECT_EQ(other.size(), 13u);
}

TEST(Secret, ClonesAreIndependent) {
    Secret secret = Secret::copy_of("abc");
    Secret clone = secret.clone();
    secret.writable()[0] = 'x';
    EXPECT_EQ(clone.text(), "abc");
}

TEST(Secret, EmptyOnesAreFine) {
    EXPECT_TRUE(Secret().empty());
    EXPECT_TRUE(Secret::copy_of("").empty());
    EXPECT_TRUE(Secret(0).view().empty());
}

TEST(Secret, WipeOverwrites) {
    Bytes bytes = {1, 2, 3};
    wipe(bytes);
    EXPECT_EQ(bytes, (Bytes{0, 0, 0}));
}

}  // namespace
}  // namespace ingot
