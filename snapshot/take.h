// Taking a snapshot: the orchestrator. take.cc reads as section 4 of the design.
//
// Thread safety: one thread; it starts and joins its own. Errors: usage, failed, interrupted, locked, and what the store throws.
// A source that cannot be stored is not an error here: the result says so, and the snapshot is partial (exit 3).
// Writers are resumed on every way out (I9).
#pragma once

#include <string>
#include <vector>

#include "base/progress.h"
#include "snapshot/manifest.h"
#include "store/repository.h"

namespace ingot {

struct TakeOptions {
    std::vector<std::string> tags;
    bool golden = false;
};

struct TakeResult {
    RecordId id;
    Manifest manifest;
    bool golden = false;
    std::string why_not_golden;  // with --golden: what kept it from being golden
    SessionTotals totals;
    int64_t duration_ms = 0;
};

TakeResult take_snapshot(Repository& repository, Stack& stack, const TakeOptions& options, Progress& progress);

}  // namespace ingot
