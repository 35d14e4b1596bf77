#include "store/float_planes.h"

#include <gtest/gtest.h>

#include "tests/support/memory_feed.h"

namespace ingot {
namespace {

using test::noise;

std::array<const uint8_t*, kFloatPlanes> planes_in(const Bytes& planes, size_t stride) {
    return {planes.data(), planes.data() + stride, planes.data() + 2 * stride, planes.data() + 3 * stride};
}

// 1.0 is 0x3f800000: rotated 0x7f000000. -2.0 is 0xc0000000: rotated 0x80000001.
TEST(FloatPlanes, PutExponentsInTheLastPlaneAndSignsInTheFirst) {
    const Bytes floats{0x00, 0x00, 0x80, 0x3f, 0x00, 0x00, 0x00, 0xc0};
    Bytes planes(8);
    split_planes(floats, planes, 2);
    EXPECT_EQ(planes, (Bytes{0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x7f, 0x80}));
}

TEST(FloatPlanes, AreTheSameWithAndWithoutVectorInstructionsAndJoinAgain) {
    for (size_t n = 0; n < 200; ++n) {
        const Bytes floats = noise(n * 4, n + 1);
        for (const size_t stride : {n, n + 3}) {
            // The byte behind the last plane must stay as it is.
            Bytes fast(3 * stride + n + 1, 0xee), portable = fast;
            split_planes(floats, std::span(fast).first(fast.size() - 1), stride);
            split_planes_portable(floats, std::span(portable).first(portable.size() - 1), stride);
            EXPECT_EQ(fast, portable) << n;
            Bytes joined(n * 4 + 1, 0xee), joined_portable = joined;
            join_planes(planes_in(fast, stride), std::span(joined).first(n * 4));
            join_planes_portable(planes_in(fast, stride), std::span(joined_portable).first(n * 4));
            EXPECT_EQ(joined, joined_portable) << n;
            EXPECT_EQ(joined.back(), 0xee) << "nothing behind the floats is touched";
            joined.pop_back();
            EXPECT_EQ(joined, floats) << n;
        }
    }
}

}  // namespace
}  // namespace ingot
