// Taking a snapshot: the orchestrator. take.cc reads as section 4 of the design.
//
// Thread safety: one thread; it starts and joins its own. Errors: usage, failed, interrupted, locked, and what the store throws.
// A source that cannot be stored is not an error here: the result says so, and the snapshot is partial (exit 3).
// Writers are resumed on every way out (I9).
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/progress.h"
#include "snapshot/manifest.h"
#include "snapshot/pins.h"
#include "store/repository.h"

namespace ingot {

struct TakeOptions {
    std::vector<std::string> tags;
    bool golden = false;
    Wait wait = wait_for_ms;  // between the tries of a pin
};

struct TakeResult {
    RecordId id;
    Manifest manifest;
    bool golden = false;
    std::string why_not_golden;  // with `golden`: what kept it from being golden; the snapshot is stored all the same
    std::vector<std::string> broken_invariants;  // what the facts of the pins say against [[invariants]]; also without `golden`
    VerifyReport verified;                       // with `golden`: what reading it back found
    // What a person must hear although the snapshot is stored: a resume command that failed, a version command that did.
    std::vector<std::string> warnings;
    bool writers_resumed = true;  // false: the resume command failed
    SessionTotals totals;
    std::map<std::string, uint64_t> bytes_new;  // by source: plaintext of its new data chunks
    int64_t duration_ms = 0;
};

TakeResult take_snapshot(Repository& repository, Stack& stack, const TakeOptions& options, Progress& progress);

}  // namespace ingot
