#include "base/clock.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <ctime>

#include "base/error.h"

namespace ingot {
namespace {

template <class Work>
Code code_of(const Work& work) {
    try {
        work();
    } catch (const Error& error) {
        return error.code();
    }
    return Code::interrupted;  // no error
}

class Clock : public testing::Test {
protected:
    void SetUp() override {
        ::setenv("TZ", "Europe/Berlin", 1);
        ::tzset();
    }
    void TearDown() override {
        ::unsetenv("TZ");
        ::tzset();
    }
};

TEST_F(Clock, IsoTimesThereAndBack) {
    EXPECT_EQ(iso_utc(0), "1970-01-01T00:00:00.000Z");
    EXPECT_EQ(iso_utc(1'795'248'930'123), "2026-11-21T08:15:30.123Z");
    EXPECT_EQ(parse_iso_utc("2026-11-21T08:15:30.123Z"), 1'795'248'930'123);
    EXPECT_EQ(iso_utc(-1), "1969-12-31T23:59:59.999Z");
    EXPECT_EQ(code_of([] { parse_iso_utc("2026-11-21"); }), Code::damaged);
    EXPECT_EQ(code_of([] { parse_iso_utc("2026-13-21T08:15:30.123Z"); }), Code::damaged);
}

TEST_F(Clock, LocalTimesAsPeopleTypeThem) {
    const int64_t noon = parse_iso_utc("2026-11-21T12:00:00.000Z");
    EXPECT_EQ(iso_utc(parse_when("2026-11-19 08:00", noon)), "2026-11-19T07:00:00.000Z");
    EXPECT_EQ(iso_utc(parse_when("2026-07-19 08:00", noon)), "2026-07-19T06:00:00.000Z");  // summer time
    EXPECT_EQ(iso_utc(parse_when("2026-11-19T08:00:30", noon)), "2026-11-19T07:00:30.000Z");
    EXPECT_EQ(iso_utc(parse_when("2026-11-19T08:00:00Z", noon)), "2026-11-19T08:00:00.000Z");
    EXPECT_EQ(iso_utc(parse_when("2026-11-19 08:00 +0300", noon)), "2026-11-19T05:00:00.000Z");
    EXPECT_EQ(parse_when("now", noon), noon);
    EXPECT_EQ(parse_when("2h ago", noon), noon - 2 * 3'600'000);
}

TEST_F(Clock, ABareDayMeansItsEnd) {
    const int64_t noon = parse_iso_utc("2026-11-21T12:00:00.000Z");
    EXPECT_EQ(iso_utc(parse_when("2026-11-19", noon)), "2026-11-19T22:59:59.999Z");
    EXPECT_EQ(iso_utc(parse_when("yesterday", noon)), "2026-11-20T22:59:59.999Z");
    EXPECT_EQ(iso_utc(parse_when("today", noon)), "2026-11-21T22:59:59.999Z");
}

TEST_F(Clock, WhatIsNoTimeIsAWrongUsage) {
    for (const char* text : {"", "tomorrowish", "2026-11", "2026-11-19 25:00", "2026-11-19 08:00 x", "2026-00-10", "ago"}) {
        EXPECT_EQ(code_of([&] { parse_when(text, 0); }), Code::usage) << text;
    }
}

TEST_F(Clock, Durations) {
    EXPECT_EQ(parse_duration_ms("250ms"), 250);
    EXPECT_EQ(parse_duration_ms("10s"), 10'000);
    EXPECT_EQ(parse_duration_ms("5m"), 300'000);
    EXPECT_EQ(parse_duration_ms("26h"), 26 * 3'600'000);
    EXPECT_EQ(parse_duration_ms("7d"), 7 * 86'400'000LL);
    for (const char* text : {"", "s", "10", "10 s", "-1s", "1w"}) {
        EXPECT_EQ(code_of([&] { parse_duration_ms(text); }), Code::usage) << text;
    }
    EXPECT_EQ(human_duration(340), "340 ms");
    EXPECT_EQ(human_duration(1'200), "1.2 s");
    EXPECT_EQ(human_duration(123'000), "2 min 3 s");
}

TEST_F(Clock, Sizes) {
    EXPECT_EQ(human_bytes(7), "7 B");
    EXPECT_EQ(human_bytes(12 << 10), "12.0 KiB");
    EXPECT_EQ(human_bytes(3ULL << 29), "1.5 GiB");
}

TEST_F(Clock, TheMonotonicClockDoesNotGoBack) {
    const int64_t before = mono_now_ns();
    EXPECT_GE(mono_now_ns(), before);
    EXPECT_GT(now().wall_ms, 1'500'000'000'000);
}

}  // namespace
}  // namespace ingot
