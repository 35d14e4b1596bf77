// undo: takes a finished restore back, from the safety snapshot that it made of what it replaced. A restore like any other, which
// makes a safety snapshot itself: so an undo can be undone.
#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/restore_run.h"
#include "restore/last_restore.h"
#include "restore/safety.h"

namespace ingot {
namespace {

std::string restore_of(const Snapshot& safety) {
    const std::string start = safety_tag("");
    for (const std::string& tag : safety.manifest.tags) {
        if (tag.starts_with(start)) return tag.substr(start.size());
    }
    return {};
}

std::string what_can_be_undone(const std::vector<Snapshot>& safeties) {
    if (safeties.empty()) return "no restore of this stack has a safety snapshot";
    std::string out = "restores that can be undone:";
    for (auto each = safeties.rbegin(); each != safeties.rend(); ++each) {
        out += fmt::format(" {} ({})", restore_of(*each), local_time(each->manifest.moment_ms));
    }
    return out;
}

// By the id of the restore, or of its safety snapshot.
const Snapshot& find(const std::vector<Snapshot>& safeties, const std::string& wanted) {
    const Snapshot* found = nullptr;
    for (const Snapshot& each : safeties) {
        if (!restore_of(each).starts_with(wanted) && !each.id.hex().starts_with(wanted)) continue;
        if (found != nullptr)
            throw Error(Code::usage, fmt::format("{} begins the ids of several restores", printable(wanted)),
                        what_can_be_undone(safeties));
        found = &each;
    }
    if (found == nullptr) {
        throw Error(Code::not_found, fmt::format("there is no safety snapshot of a restore {}", printable(wanted)),
                    what_can_be_undone(safeties));
    }
    return *found;
}

const Snapshot& find_last(Invocation& run, const std::vector<Snapshot>& safeties) {
    const std::optional<LastRestore> last = last_restore(run.fs, run.state_dir(), run.stack().name);
    if (last && last->safety.empty()) {
        throw Error(Code::not_found,
                    fmt::format("the last restore, {}, has no safety snapshot: it was run with --no-safety, or replaced nothing "
                                "that could be stored",
                                last->restore_id),
                    what_can_be_undone(safeties) + "; name one, or restore another snapshot");
    }
    if (last) return find(safeties, last->safety);
    if (safeties.empty()) throw Error(Code::not_found, "there is no restore to be undone", what_can_be_undone(safeties));
    return *std::ranges::max_element(safeties, {}, [](const Snapshot& each) { return each.manifest.finished_ms; });
}

void require_openable(const Snapshot& safety, const std::vector<std::string>& only) {
    for (const ManifestSource& source : safety.manifest.sources) {
        if (!source.facts.contains(kRawFact)) continue;
        if (!only.empty() && std::ranges::count(only, source.name) == 0) continue;
        throw Error(Code::failed,
                    fmt::format("the old {} did not open with its engine, and is stored as raw bytes: it cannot be put back",
                                source.name),
                    fmt::format("--only names the other sources; `ingot restore {} --only {} --to DIR` gives its bytes back",
                                safety.short_id(), source.name));
    }
}

}  // namespace

int cmd_undo(Invocation& run) {
    const UndoArguments& arguments = run.arguments.undo;
    run.refuse_while_unfinished();
    const std::string stack = run.stack().name;
    const auto repository = run.open(LockMode::shared);
    std::vector<Snapshot> safeties;
    for (Snapshot& each : all_snapshots(run, *repository)) {
        if (each.safety() && each.manifest.stack == stack) safeties.push_back(std::move(each));
    }
    const Snapshot& safety = arguments.restore.empty() ? find_last(run, safeties) : find(safeties, arguments.restore);
    require_openable(safety, arguments.only);
    run.out.note(fmt::format("undoing restore {}: {} as before it", restore_of(safety), [&] {
        std::string names;
        for (const ManifestSource& each : safety.manifest.sources) {
            if (!arguments.only.empty() && std::ranges::count(arguments.only, each.name) == 0) continue;
            names += (names.empty() ? "" : ", ") + each.name;
        }
        return names;
    }()));
    RestoreArguments restore;
    restore.only = arguments.only;
    restore.dry_run = arguments.dry_run;
    restore.yes = arguments.yes;
    restore.no_safety = arguments.no_safety;
    restore.allow_incompatible = arguments.allow_incompatible;
    restore_snapshot(run, *repository, restore, {safety, {}}, "undo of restore " + restore_of(safety));
    return kExitDone;
}

}  // namespace ingot
