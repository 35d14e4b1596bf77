// drill: a snapshot restored to scratch and proven there. Under the shared lock; the attestation is filed under append, or waits.
#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/paths.h"
#include "cli/pending.h"
#include "cli/pick.h"
#include "restore/drill.h"

namespace ingot {
int cmd_drill(Invocation& run) {
    const DrillArguments& arguments = run.arguments.drill;
    Stack& stack = run.stack();
    auto repository = run.open(LockMode::shared);
    const RepositoryId id = repository->id();
    const Snapshot snapshot = pick(run, *repository, arguments.which.empty() ? "golden" : arguments.which);
    const std::string parent = arguments.to.empty() ? repository->spool_dir() : absolute_path(arguments.to);
    const DrillResult result = drill(*repository, snapshot, stack, run.fs, parent, run.progress);
    run.progress.clear();
    repository.reset();
    for (const std::string& line : result.damaged) run.out.warn(printable(line));
    for (const std::string& line : result.problems) run.out.warn(printable(line));
    for (const std::string& line : result.left) run.out.warn(printable(line));
    if (result.passed()) (void)file_or_keep(run, id, {result.attestation}, "the drill");
    run.event.snapshot_id = snapshot.id.hex();
    run.event.outcome = result.passed() ? "drilled" : "not_drilled";
    run.event.read_back = result.passed();
    if (!result.passed())
        run.event.error =
            result.damaged.empty() ? result.problems.empty() ? "" : result.problems.front() : result.damaged.front();
    // What is left in an engine is somebody's to look at, however well the snapshot did.
    const int exit = !result.damaged.empty()                  ? kExitDamaged
                     : result.passed() && result.left.empty() ? kExitDone
                                                              : kExitNotAsAsked;
    const std::string probes =
        stack.probes.empty()
            ? ""
            : fmt::format(", {} passed and {} not asked", counted(result.probes_passed, "probe"), result.probes_not_asked);
    run.out.line(fmt::format("snapshot {} {}: {} restored to scratch and opened in {}{}", snapshot.short_id(),
                             result.passed() ? "drilled" : "did NOT pass its drill", human_bytes(result.bytes),
                             human_duration(result.duration_ms), probes));
    std::vector<std::string> problems = result.damaged;
    problems.insert(problems.end(), result.problems.begin(), result.problems.end());
    JsonObject object("summary");
    object.add("snapshot_id", snapshot.id.hex()).add("drilled", result.passed()).add("problems", problems);
    object.add("sources", static_cast<uint64_t>(snapshot.manifest.sources.size()))
        .add("entries", result.entries)
        .add("bytes", result.bytes);
    object.add("scratch_engines", result.scratch_engines).add("left", result.left);
    object.add("probes_passed", result.probes_passed).add("probes_not_asked", result.probes_not_asked);
    run.out.object(object.add("duration_s", static_cast<double>(result.duration_ms) / 1000).add("exit", exit));
    return exit;
}

}  // namespace ingot
