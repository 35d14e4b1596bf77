#include "cli/progress_bar.h"

#include <gtest/gtest.h>

#include <thread>

namespace ingot {

TEST(ProgressBar, ShowsShareRateAndTimeLeft) {
    EXPECT_EQ(format_bar({"reading db", 512ULL << 20, 1024ULL << 20, 4000}, 120),
              "reading db  [##########----------]   50 %  512.0 MiB of 1.0 GiB  128.0 MiB/s  0:04 left");
}

TEST(ProgressBar, SaysNoRateBeforeThereIsOne) {
    EXPECT_EQ(format_bar({"reading db", 0, 1024, 100}, 120), "reading db  [--------------------]    0 %  0 B of 1.0 KiB");
    EXPECT_EQ(format_bar({"walking", 0, 0, 10'000}, 120), "walking");
    EXPECT_EQ(format_bar({"walking", 2048, 0, 1000}, 120), "walking  2.0 KiB  2.0 KiB/s");
}

TEST(ProgressBar, NeverPassesAHundredPercentOrTheWidth) {
    EXPECT_NE(format_bar({"x", 4096, 1024, 1000}, 120).find("100 %"), std::string::npos);
    for (size_t width = 1; width < 130; ++width) {
        EXPECT_LE(format_bar({"a long name of a phase", 999'999'999, 9'999'999'999, 3'600'000}, width).size(), width);
    }
}

TEST(ProgressBar, DrawsNothingWhereThereIsNoTerminal) {
    testing::internal::CaptureStderr();
    {
        Output out;
        ProgressBar bar(out, true);
        bar.phase("reading", 1000);
        std::vector<std::thread> threads;
        for (int i = 0; i < 4; ++i) {
            threads.emplace_back([&] {
                for (int k = 0; k < 100; ++k) bar.advance(1);
                bar.note("a note");
            });
        }
        for (std::thread& thread : threads) thread.join();
    }
    EXPECT_EQ(testing::internal::GetCapturedStderr(), "a note\na note\na note\na note\n");
}

}  // namespace ingot
