#include "snapshot/stack.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace ingot {
namespace {

TEST(Stack, ConsistencyThereAndBack) {
    for (const Consistency each : {Consistency::fuzzy, Consistency::pinned, Consistency::barrier}) {
        EXPECT_EQ(consistency_from(to_string(each)), each);
    }
    EXPECT_LT(Consistency::fuzzy, Consistency::pinned);
    EXPECT_LT(Consistency::pinned, Consistency::barrier);
    EXPECT_THROW(consistency_from("strict"), Error);
}

TEST(Stack, GoldenNeedsABarrierOnceAPauseIsConfigured) {
    Stack stack;
    EXPECT_EQ(stack.needed_for_golden(), Consistency::pinned);
    stack.barrier.pause = "true";
    EXPECT_EQ(stack.needed_for_golden(), Consistency::barrier);
    stack.golden_requires = Consistency::fuzzy;
    EXPECT_EQ(stack.needed_for_golden(), Consistency::fuzzy);
}

}  // namespace
}  // namespace ingot
