// compat: does a snapshot go with what is there? A table of versions then and now, with a verdict for each. Changes nothing.
#include <fmt/format.h>

#include "base/error.h"
#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/pick.h"
#include "restore/compat_words.h"
#include "restore/compatibility.h"
#include "restore/preflight.h"

namespace ingot {
namespace {

std::string shown(const std::string& version) { return version.empty() ? "-" : printable(version); }

}  // namespace

int cmd_compat(Invocation& run) {
    const CompatArguments& arguments = run.arguments.compat;
    Stack& stack = run.stack();
    const auto repository = run.open(LockMode::shared);
    const Snapshot snapshot = pick(run, *repository, arguments.which.empty() ? "golden" : arguments.which);
    (void)wanted_sources(snapshot, arguments.only, false);
    run.progress.phase("checking compatibility", 0);
    const CompatReport report = judge_compatibility(*repository, snapshot, stack, run.fs, {arguments.only, true});
    run.progress.clear();
    Table table({"WHAT", "THEN", "NOW", "VERDICT", "WHY"});
    size_t warnings = 0;
    for (const CompatLine& line : report.lines) {
        if (line.verdict == Verdict::warning) ++warnings;
        table.add({printable(line.what), shown(line.then), shown(line.now), to_string(line.verdict), printable(line.why)});
        JsonObject object("compatibility");
        object.add("what", line.what).add("then", line.then.empty() ? std::nullopt : std::optional(line.then));
        object.add("now", line.now.empty() ? std::nullopt : std::optional(line.now)).add("verdict", to_string(line.verdict));
        run.out.object(object.add("why", line.why).add("hint", line.hint));
    }
    if (!table.empty()) run.out.table(table);
    for (const std::string& note : report.notes) run.out.note(fmt::format("matrix, {}", printable(note)));
    const Verdict worst = report.worst();
    const int exit = worst == Verdict::refused ? kExitIncompatible : kExitDone;
    const char* said = worst == Verdict::refused   ? "does NOT go with what is there: a restore of it is refused"
                       : worst == Verdict::warning ? "goes with what is there, with warnings"
                                                   : "goes with what is there";
    run.out.line(fmt::format("snapshot {} {}", snapshot.short_id(), said));
    JsonObject object("summary");
    object.add("snapshot_id", snapshot.id.hex())
        .add("verdict", to_string(worst))
        .add("warnings", static_cast<uint64_t>(warnings));
    run.out.object(object.add("exit", exit));
    return exit;
}

}  // namespace ingot
