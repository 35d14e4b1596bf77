#include "cli/compat_check.h"

#include <fmt/format.h>

#include "restore/compatibility.h"

namespace ingot {

void check_before_restore(Invocation& run, const Repository& repository, const Snapshot& snapshot,
                          const std::vector<std::string>& only, bool allowed) {
    run.progress.phase("checking compatibility", 0);
    const CompatReport report = judge_compatibility(repository, snapshot, run.stack(), run.fs, {only, false});
    run.progress.clear();
    require_compatible(report, snapshot, allowed);
    for (const CompatLine& line : report.lines) {
        if (line.verdict == Verdict::fine) continue;
        run.out.warn(fmt::format("{}: {}{}", printable(line.what), printable(line.why),
                                 line.verdict == Verdict::refused ? "; let through by --allow-incompatible" : ""));
        if (!line.hint.empty() && line.verdict == Verdict::warning) run.out.hint(printable(line.hint));
    }
}

}  // namespace ingot
