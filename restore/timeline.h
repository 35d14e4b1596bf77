// The timeline of a restore: what it did, when, for how long, and what hooks and probes said. Kept in the journal, so that it
// outlives a crash, and handed to whoever listens as each step ends.
//
// Bounded: a step's detail holds the last kDetailBytes of what was said, and of more than kMostSteps the oldest are dropped.
// Thread safety: one thread. Lifetime: `steps` outlives it. Errors: those of what is timed.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/error.h"

namespace ingot {

struct RestoreStep {
    std::string name;   // "stage", "stop", "before_swap db", "probe health"
    int64_t at_ms = 0;  // wall clock, at its start
    int64_t ms = 0;
    bool failed = false;
    std::string detail;  // the error, or the end of a hook's output; printable
};

class Timeline {
public:
    using Listener = std::function<void(const RestoreStep&)>;

    static constexpr size_t kDetailBytes = 1024;
    // A restore has some ten and a few for each source; one that is taken up again every minute for hours has no end.
    static constexpr size_t kMostSteps = 1000;

    Timeline(std::vector<RestoreStep>& steps, Listener listener) : steps_(steps), listener_(std::move(listener)) {}

    // Runs `body`, which may return the step's detail, and notes how it went.
    template <class Body>
    void timed(const std::string& name, Body&& body) {
        RestoreStep step{name, wall_now_ms(), 0, false, {}};
        const int64_t started_ns = mono_now_ns();
        try {
            if constexpr (std::is_void_v<decltype(body())>) {
                body();
            } else {
                step.detail = body();
            }
        } catch (const std::exception& error) {
            step.failed = true;
            step.detail = error.what();
            add(std::move(step), started_ns);
            throw;
        }
        add(std::move(step), started_ns);
    }

private:
    void add(RestoreStep step, int64_t started_ns) {
        step.ms = (mono_now_ns() - started_ns) / 1'000'000;
        // Cut first: \xNN for one byte must not be cut apart, and a whole flood need not be made printable.
        if (step.detail.size() > kDetailBytes) step.detail.erase(0, step.detail.size() - kDetailBytes);
        step.detail = printable(step.detail);
        if (steps_.size() >= kMostSteps) steps_.erase(steps_.begin());
        steps_.push_back(std::move(step));
        if (listener_) listener_(steps_.back());
    }

    std::vector<RestoreStep>& steps_;
    Listener listener_;
};

}  // namespace ingot
