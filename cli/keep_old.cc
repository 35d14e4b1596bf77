#include "cli/keep_old.h"

#include <fmt/format.h>

#include "base/error.h"
#include "restore/safety.h"

namespace ingot {

KeepOldState keep_old_by(Invocation& run) {
    return [&run](const Journal& journal) -> std::string {
        const auto repository = run.open_to_file();
        const SafetyResult taken = take_safety_snapshot(*repository, run.stack(), run.fs, journal, run.progress);
        for (const std::string& note : taken.notes) run.out.warn(printable(note));
        return taken.id ? taken.id->hex() : std::string();
    };
}

}  // namespace ingot
