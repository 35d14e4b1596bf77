#include "cli/keep_old.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "restore/safety.h"

namespace ingot {

// The stack is up again, and who restored it waits for the prompt: a snapshot that runs for hours is not waited for.
static constexpr int64_t kWaitMs = 10'000;

KeepOldState keep_old_by(Invocation& run) {
    return [&run](const Journal& journal) -> std::string {
        const auto repository = run.open(LockMode::append, std::min(kWaitMs, run.arguments.global.lock_wait_ms));
        const SafetyResult taken = take_safety_snapshot(*repository, run.stack(), run.fs, journal, run.progress);
        for (const std::string& note : taken.notes) run.out.warn(printable(note));
        return taken.id ? taken.id->hex() : std::string();
    };
}

}  // namespace ingot
