// Pausing the writers, and the guard process that resumes them whatever happens (I9).
//
// The guard is a forked child in a session of its own. It runs the resume command when it is told to, when its deadline comes,
// or when this process is gone (its pipe closes), whichever is first; once. It holds nothing of this process: no locks, no files.
//
//   PauseGuard guard(barrier, folder);   the guard is started, then the pause command is run
//   ... pin ...
//   PauseReport report = guard.resume(); returns when the resume command has ended
//
// Thread safety: one thread. Errors: Error{failed} when the pause command fails or takes longer than the deadline (the writers
// are resumed by then); a resume command that fails is in the report, for the caller to shout about.
#pragma once

#include <cstdint>
#include <string>

#include "base/clock.h"
#include "snapshot/stack.h"

namespace ingot {

struct PauseReport {
    Moment paused;    // the pause command had returned
    Moment resumed;   // the resume command was started
    int64_t pause_ms = 0;       // from the start of the pause command to the end of the resume command
    bool by_deadline = false;   // the guard did not wait for us
    int resume_status = 0;      // exit status of the resume command
};

class PauseGuard {
public:
    PauseGuard(const BarrierSpec& barrier, const std::string& folder);
    PauseGuard(const PauseGuard&) = delete;
    PauseGuard& operator=(const PauseGuard&) = delete;
    ~PauseGuard();  // resumes if resume() was not called

    PauseReport resume();

private:
    int to_guard_ = -1;
    int from_guard_ = -1;
    int guard_pid_ = -1;
    PauseReport report_;
    int64_t started_ns_ = 0;
    bool resumed_ = false;
};

}  // namespace ingot
