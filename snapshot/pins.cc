#include "snapshot/pins.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <exception>
#include <thread>

#include "base/error.h"
#include "base/interrupt.h"
#include "base/step.h"

namespace ingot {
namespace {

// Before the second try; doubled before each later one. A checkpoint or a burst of writes is over by then.
constexpr int64_t kFirstWaitMs = 500;
constexpr int64_t kInterruptPollMs = 100;

bool is_gone(Driver& driver) {
    if (!driver.lives_at_roots()) return false;
    for (const SourceRoot& root : driver.roots()) {
        struct stat st {};
        if (!root.live_path.empty() && ::lstat(root.live_path.c_str(), &st) != 0 && (errno == ENOENT || errno == ENOTDIR))
            return true;
    }
    return false;
}

void pin_one(SourceRun& run) {
    run.pin = run.driver.pin();
    run.moment = run.pin->moment();
}

bool any_failed(const std::vector<SourceRun>& runs) {
    return std::any_of(runs.begin(), runs.end(), [](const SourceRun& run) { return run.failed; });
}

// Pins the sources that were not out before, and returns which of them failed.
std::vector<SourceRun*> pin_round(std::vector<SourceRun>& runs) {
    std::vector<SourceRun*> before, now_out;
    for (SourceRun& run : runs) {
        if (!run.failed) before.push_back(&run);
    }
    for_each_source(runs, pin_one);
    std::copy_if(before.begin(), before.end(), std::back_inserter(now_out), [](const SourceRun* run) { return run->failed; });
    step("snapshot.pinned");
    return now_out;
}

// The same within a pause.  (I9: the guard resumes on every way out; here it is also said when that failed)
std::vector<SourceRun*> pin_paused(const Stack& stack, std::vector<SourceRun>& runs, std::optional<PauseReport>& report) {
    PauseGuard guard(stack.barrier, stack.root);
    step("snapshot.paused");
    std::vector<SourceRun*> out;
    try {
        out = pin_round(runs);
    } catch (const Error& error) {
        const std::string problem = resume_problem(guard.resume(), stack.barrier);
        if (problem.empty()) throw;
        throw Error(error.code(), error.what(), problem);
    }
    report = guard.resume();
    step("snapshot.resumed");
    return out;
}

void take_back(SourceRun& run) {
    run.failed = false;
    run.record.status = SourceStatus::stored;
    run.record.problem.clear();
    run.record.hint.clear();
}

}  // namespace

SourceRun::SourceRun(Driver& its_driver) : driver(its_driver) {
    record.name = driver.spec().name;
    record.driver = driver.spec().driver;
}

void SourceRun::fail(const Error& error) {
    failed = true;
    record.listing.reset();
    record.entries = record.streams = record.bytes = chunks = 0;
    record.facts.clear();
    fail_in_part(error);
}

void SourceRun::fail_in_part(const Error& error) {
    record.problem = error.what();
    record.hint = error.hint();
    record.status = SourceStatus::unreadable;
    try {
        if (is_gone(driver)) record.status = SourceStatus::missing;
    } catch (const Error& second) {
        ignore_error(second, "where the source lies is asked only to tell missing from unreadable");
    }
}

void for_each_source(std::vector<SourceRun>& runs, const std::function<void(SourceRun&)>& work) {
    std::vector<std::exception_ptr> errors(runs.size());
    {
        std::vector<std::jthread> threads;
        for (size_t i = 0; i < runs.size(); ++i) {
            if (runs[i].failed) continue;
            threads.emplace_back([&, i] {
                try {
                    work(runs[i]);
                } catch (const Error& error) {
                    if (error.code() == Code::source) {
                        runs[i].fail(error);
                    } else {
                        errors[i] = std::make_exception_ptr(error.within(runs[i].record.name));
                    }
                } catch (...) {
                    errors[i] = std::current_exception();
                }
            });
        }
    }
    for (const std::exception_ptr& error : errors) {
        if (error) std::rethrow_exception(error);
    }
    check_interrupted();
}

void wait_for_ms(int64_t ms) {
    for (int64_t waited = 0; waited < ms; waited += kInterruptPollMs) {
        check_interrupted();
        std::this_thread::sleep_for(std::chrono::milliseconds(std::min(kInterruptPollMs, ms - waited)));
    }
}

std::optional<PauseReport> pin_all(const Stack& stack, std::vector<SourceRun>& runs, const Wait& wait) {
    int64_t wait_ms = kFirstWaitMs;
    for (int tried = 1;; ++tried) {
        std::optional<PauseReport> report;
        const std::vector<SourceRun*> out = stack.barrier.pause.empty() ? pin_round(runs) : pin_paused(stack, runs, report);
        // A resume command that failed must not be followed by another pause.
        const bool resumed = !report || report->resume_status == 0;
        if (out.empty() || tried >= stack.tries || !resumed) return report;
        for (SourceRun& run : runs) run.pin.reset();
        for (SourceRun* run : out) take_back(*run);
        wait(wait_ms);
        wait_ms *= 2;
    }
}

Consistency consistency_of(const std::vector<SourceRun>& runs, const std::optional<PauseReport>& pause) {
    bool any = false;
    bool enclosed = pause.has_value() && !any_failed(runs);
    for (const SourceRun& run : runs) {
        if (run.failed) continue;
        any = true;
        if (run.record.consistency == PinConsistency::fuzzy) return Consistency::fuzzy;
        if (pause && !pause->encloses(run.moment.first.mono_ns, run.moment.last.mono_ns)) enclosed = false;
    }
    if (!any) return Consistency::fuzzy;
    return enclosed ? Consistency::barrier : Consistency::pinned;
}

int64_t skew_ms_of(const std::vector<SourceRun>& runs) {
    int64_t first = INT64_MAX, last = INT64_MIN;
    for (const SourceRun& run : runs) {
        if (run.failed) continue;
        first = std::min(first, run.moment.first.mono_ns);
        last = std::max(last, run.moment.last.mono_ns);
    }
    return last < first ? 0 : (last - first) / 1'000'000;
}

}  // namespace ingot
