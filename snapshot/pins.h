// Preparing and pinning all sources at once.
//
// Each source has a thread of its own, so that the pause is as long as the slowest pin. A source that fails with Error{source}
// is out (SourceRun::failed) and the others go on; any other error is thrown once all threads have ended.
//
// Thread safety: one thread; it starts and joins its own. Lifetime: a Run must not outlive the stack's drivers.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "snapshot/guard.h"
#include "snapshot/manifest.h"
#include "snapshot/stack.h"

namespace ingot {

// One source on its way into a snapshot.
struct SourceRun {
    explicit SourceRun(Driver& its_driver);

    Driver& driver;
    ManifestSource record;
    std::unique_ptr<Pin> pin;
    PinMoment moment;
    bool failed = false;
    uint64_t chunks = 0;  // of all its streams, those not read again too

    // Out: missing where its place is gone, else unreadable. What was stored of it does not count.
    void fail(const Error& error);
    // Some of it could not be stored; what could stays, and the source counts as unreadable all the same.
    void fail_in_part(const Error& error);
};

// Calls `work` for every source that has not failed, each in its own thread.
void for_each_source(std::vector<SourceRun>& runs, const std::function<void(SourceRun&)>& work);

// How long to wait before a try; tests replace it.
using Wait = std::function<void(int64_t ms)>;
// Sleeps, and throws Error{interrupted} when a signal comes.
void wait_for_ms(int64_t ms);

// Pins every source, within one pause where the stack has one. A pin that finds its source busy or torn: all are released, the
// writers resumed, and all are pinned again, up to stack.tries times; sources that fail in the last try are out.
// The report of the pause, where there was one.
std::optional<PauseReport> pin_all(const Stack& stack, std::vector<SourceRun>& runs, const Wait& wait);

// Strongest class that the moments and the pause prove (I4); to be called once every pin was streamed.
Consistency consistency_of(const std::vector<SourceRun>& runs, const std::optional<PauseReport>& pause);

// Between the earliest and the latest moment of the sources that are in.
int64_t skew_ms_of(const std::vector<SourceRun>& runs);

}  // namespace ingot
