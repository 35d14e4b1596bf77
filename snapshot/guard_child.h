// The guard process itself: what runs between fork and exit. Nothing here allocates, locks or throws, because the process it was
// forked from may have had other threads in the middle of anything: only async-signal-safe calls.
//
// Messages go through a pipe as they lie in memory: both ends are the same program.
#pragma once

#include <cstdint>

namespace ingot {

struct GuardOrders {
    // Prepared before the fork.
    const char* pause;  // for /bin/sh -c
    const char* resume;
    const char* folder;
    char* const* environment;
    int64_t deadline_mono_ns;
    int from_parent;  // a byte: resume now; its end: the parent is gone
    int to_parent;
    int pause_output;  // standard output and error of the commands
    int resume_output;
};

// After the pause command has ended.
struct PauseMessage {
    int32_t status;          // exit status, or 128 + signal
    int32_t ended_by_guard;  // it was told to resume, or the deadline came, before the command had ended
    int64_t ended_wall_ms, ended_mono_ns;
};

// After the resume command has ended.
struct ResumeMessage {
    int32_t status;
    int32_t by_deadline;
    int64_t started_wall_ms, started_mono_ns, ended_mono_ns;
};

[[noreturn]] void be_the_guard(const GuardOrders& orders) noexcept;

}  // namespace ingot
