#include "restore/many_syncs.h"

#include <gtest/gtest.h>

#include <array>
#include <atomic>

#include "base/error.h"

namespace ingot {
namespace {

TEST(ManySyncs, CallEachOnce) {
    std::array<std::atomic<int>, 1000> calls{};
    sync_many(calls.size(), [&](size_t number) { ++calls.at(number); });
    for (const auto& each : calls) ASSERT_EQ(each, 1);
    sync_many(0, [](size_t) { FAIL() << "called"; });
}

TEST(ManySyncs, ThrowWhatACallThrewAndCallNoMore) {
    std::atomic<int> calls = 0;
    try {
        sync_many(10'000, [&](size_t number) {
            ++calls;
            if (number == 3) throw Error(Code::failed, "the disk");
        });
        FAIL() << "nothing was thrown";
    } catch (const Error& error) {
        EXPECT_STREQ(error.what(), "the disk");
    }
    EXPECT_LT(calls, 10'000);
}

}  // namespace
}  // namespace ingot
