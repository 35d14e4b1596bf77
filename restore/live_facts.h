// Facts of the live state as it is before a restore changes it: what a report compares the restored state with.
//
// Asked cheaply: no source is pinned. Each fact that the config has a query for is asked of the live engine (Driver::ask_live),
// and the application for its version, by a process of its own, beside what the restore does meanwhile. That one is ended after
// kLimitMs: an engine that hangs, or a count over a table that is too large for it, delays nothing and holds no lock for longer.
// What was not answered by then, or not at all, is left out.
//
// Thread safety: one thread; made while this process has no other threads (before the repository is opened). Errors: none; a
// machine without room for one more process gives no facts.
#pragma once

#include <sys/types.h>

#include <map>
#include <string>

#include "snapshot/stack.h"

namespace ingot {

struct LiveState {
    int64_t at_ms = 0;  // wall clock
    std::string version;
    std::map<std::string, Facts> facts;  // by source
};

class LiveFacts {
public:
    // From the start on. Two seconds count millions of rows, and nobody at night notices them.
    static constexpr int64_t kLimitMs = 2000;

    explicit LiveFacts(const Stack& stack, int64_t limit_ms = kLimitMs);
    LiveFacts(const LiveFacts&) = delete;
    LiveFacts& operator=(const LiveFacts&) = delete;
    ~LiveFacts();  // ends the process

    // Waits for what is left of the limit, at most. Once.
    LiveState collect();

private:
    void end();

    pid_t child_ = -1;
    int answers_fd_ = -1;
    int64_t until_ns_ = 0;
    LiveState state_;
};

}  // namespace ingot
