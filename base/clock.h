// Time: the wall clock for people, the monotonic clock for order and duration.
//
// Moments of different processes of one machine are compared by the monotonic clock, which is the same for all of them.
// Thread safety: all functions may be called from any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace ingot {

struct Moment {
    int64_t wall_ms = 0;  // milliseconds since 1970-01-01T00:00:00Z
    int64_t mono_ns = 0;  // CLOCK_MONOTONIC
};

Moment now();
int64_t wall_now_ms();
int64_t mono_now_ns();

// "2026-11-21T08:15:30.123Z"
std::string iso_utc(int64_t wall_ms);
// "2026-11-21 08:15:30 +0100", in local time.
std::string local_time(int64_t wall_ms);
// The reverse of iso_utc. Throws Error{damaged}.
int64_t parse_iso_utc(std::string_view text);
// What a person types after --at: "2026-11-19 08:00", "2026-11-19T08:00:30", "2026-11-19" (its end), "yesterday", "today",
// "now", "2h ago", an ISO time with Z or an offset; else local time. Throws Error{usage}.
int64_t parse_when(std::string_view text, int64_t now_wall_ms);
// "10s", "250ms", "5m", "26h", "7d". Throws Error{usage}.
int64_t parse_duration_ms(std::string_view text);
// "1.2 s", "340 ms", "2 min 3 s"
std::string human_duration(int64_t ms);
// "1.5 GiB", "12 KiB", "7 B"
std::string human_bytes(uint64_t bytes);

}  // namespace ingot
