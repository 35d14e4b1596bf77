// check: the structure of a repository, and mending what can be mended without losing anything.
#include <fmt/format.h>

#include "base/error.h"
#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/pick.h"
#include "snapshot/attest.h"

namespace ingot {

static const char* word_of(Finding::Weight weight) {
    switch (weight) {
        case Finding::Weight::note:
            return "note";
        case Finding::Weight::damage:
            return "damage";
        case Finding::Weight::tampering:
            return "tampering";
    }
    return "damage";
}

int cmd_check(Invocation& run) {
    const CheckArguments& arguments = run.arguments.check;
    if (arguments.rebuild_index) {
        // The index holds nothing that the packs do not: without its folder, opening makes it anew.
        const std::string& path = run.repository_path();
        run.open(LockMode::append);  // the right key, and a repository that opens, before anything is taken away
        const Lock alone(join(path, "config"), LockMode::exclusive, run.arguments.global.lock_wait_ms);
        remove_tree(run.fs, join(path, "index"));
    }
    const bool writes = arguments.repair || arguments.rebuild_index || arguments.accept_head;
    const auto repository =
        run.open(writes ? LockMode::append : LockMode::shared, run.arguments.global.lock_wait_ms, arguments.accept_head);
    std::vector<Finding> findings = check_repository(*repository, !arguments.quick, arguments.repair, run.progress);
    if (!arguments.quick) {
        // Structure may be whole and a pack gone, directory and all: is every chunk of every snapshot in some pack? Trees only;
        // a sample of nothing reads no data.
        const std::vector<Snapshot> snapshots = all_snapshots(run, *repository);
        std::vector<const Snapshot*> all;
        for (const Snapshot& snapshot : snapshots) all.push_back(&snapshot);
        for (const Finding& finding : verify_snapshots(*repository, all, 0, 0, run.progress).findings)
            findings.push_back(finding);
    }
    run.progress.clear();
    uint64_t notes = 0, damage = 0, tampering = 0;
    for (const Finding& finding : findings) {
        (finding.weight == Finding::Weight::note ? notes : finding.weight == Finding::Weight::damage ? damage : tampering)++;
        JsonObject object("finding");
        run.out.object(object.add("weight", word_of(finding.weight))
                           .add("where", printable(finding.where))
                           .add("what", printable(finding.what)));
        run.out.line(fmt::format("{}: {}: {}", word_of(finding.weight), printable(finding.where), printable(finding.what)));
    }
    const int exit = exit_code(findings);
    const std::string harmless = notes == 0 ? "" : fmt::format(" ({})", counted(notes, "harmless note"));
    if (exit == kExitDone) {
        run.out.line(fmt::format("no damage found{}", harmless));
    } else {
        run.out.line(fmt::format("{}{}{}", counted(damage + tampering, "finding"), tampering != 0 ? ", tampering among them" : "",
                                 harmless));
        run.out.note(
            tampering != 0
                ? "compare with another copy of the repository before anything is written; if the older state is meant, `ingot "
                  "check --accept-head`"
                : "`ingot check --repair` mends what has a second copy; `ingot verify --all` says which snapshots are whole");
    }
    JsonObject object("summary");
    object.add("notes", notes)
        .add("damage", damage)
        .add("tampering", tampering)
        .add("repaired", arguments.repair)
        .add("exit", exit);
    run.out.object(object);
    return exit;
}

}  // namespace ingot
