// Pausing the writers, and the guard process that resumes them whatever happens (I9).
//
// The guard is a forked child in a session of its own. It runs the pause command, and the resume command when it is told to, when
// the deadline comes (counted from the start of the pause command), or when this process is gone (its pipe closes), whichever is
// first. A pause command still running then is ended first, so that it cannot take effect afterwards. A resume command that fails
// is tried twice more. The guard holds nothing of this process: no locks, no files.
//
//   PauseGuard guard(barrier, folder);   returns when the pause command has ended
//   ... pin ...
//   PauseReport report = guard.resume(); returns when the resume command has ended
//
// Thread safety: one thread. Errors: Error{failed} when the pause command fails or takes longer than the deadline,
// Error{interrupted} when a signal came meanwhile (the writers are resumed by then); a resume command that fails is in the
// report, for the caller to shout about.
#pragma once

#include <cstdint>
#include <string>

#include "base/clock.h"
#include "snapshot/stack.h"

namespace ingot {

struct PauseReport {
    Moment paused;             // the pause command had returned; zeros where it never did
    Moment resumed;            // the resume command was started
    int64_t pause_ms = 0;      // from the start of the pause command to the end of the resume command
    bool by_deadline = false;  // the guard did not wait for us
    // Exit status of the resume command's last try; 128 + signal; kResumeStillRunning.
    int resume_status = 0;
    std::string resume_output;  // the last line it wrote

    // The moments lie inside the pause, by the monotonic clock.  (I4)
    bool encloses(int64_t first_mono_ns, int64_t last_mono_ns) const;
};

inline constexpr int kResumeStillRunning = -1;

// One sentence to shout when the resume command failed, which names it; empty when the writers go on.
std::string resume_problem(const PauseReport& report, const BarrierSpec& barrier);

class PauseGuard {
public:
    PauseGuard(const BarrierSpec& barrier, const std::string& folder);
    PauseGuard(const PauseGuard&) = delete;
    PauseGuard& operator=(const PauseGuard&) = delete;
    ~PauseGuard();  // resumes if resume() was not called

    PauseReport resume();
    int pid() const { return guard_pid_; }  // for tests

private:
    void start(const std::string& folder);
    enum class Heard { message, silence, gone };
    Heard hear(void* message, size_t size, int64_t limit_ms);
    void let_go();

    BarrierSpec barrier_;
    std::string folder_;
    int to_guard_ = -1;
    int from_guard_ = -1;
    int pause_output_ = -1;
    int resume_output_ = -1;
    int guard_pid_ = -1;
    PauseReport report_;
    int64_t started_ns_ = 0;
    bool resumed_ = false;
};

}  // namespace ingot
