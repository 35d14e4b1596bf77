// guard: a golden snapshot, then a command that changes the stack, then the probes; where one of them fails, the snapshot is put
// back by itself. Nothing is run where the snapshot is not golden: it would be no way back.
#include <fmt/format.h>

#include "base/error.h"
#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/guarded_command.h"
#include "cli/restore_run.h"
#include "restore/probe.h"
#include "snapshot/take.h"

namespace ingot {
namespace {

constexpr const char* kGuardTag = "before-deploy";

RecordId take_golden(Invocation& run) {
    const auto repository = run.open(LockMode::append);
    const TakeResult result = take_snapshot(*repository, run.stack(), {{kGuardTag}, true}, run.progress);
    run.progress.clear();
    for (const std::string& warning : result.warnings) run.out.warn(printable(warning));
    const std::string id = result.id.hex().substr(0, 8);
    if (result.golden && result.writers_resumed) {
        run.out.note(fmt::format("snapshot {} is golden: it is the way back", id));
        return result.id;
    }
    std::string why = result.why_not_golden;
    for (const ManifestSource& source : result.manifest.sources) {
        if (source.status != SourceStatus::stored) why += fmt::format("; {} is {}", source.name, to_string(source.status));
    }
    if (!result.writers_resumed) why += "; the writers were not resumed";
    throw Error(Code::failed, fmt::format("the command was not run: snapshot {} is not golden: {}", id, printable(why)),
                fmt::format("mend what is named; `ingot promote {}` says whether it is mended", id));
}

// What is wrong with the stack after the command; empty: all is well.
std::string what_failed(Invocation& run, int status) {
    if (status != 0) return fmt::format("the command ended with {}", status);
    std::vector<RestoreStep> steps;
    Timeline timeline(steps, {});
    // What facts were before the command says nothing about what they should be after it.
    const std::map<std::string, std::string> no_facts;
    try {
        Prober(run.stack(), no_facts, timeline, run.progress).run();
        return {};
    } catch (const Error& error) {
        return fmt::format("the command ended with 0, and then {}", error.what());
    }
}

void roll_back(Invocation& run, const RecordId& golden, const std::string& failed) {
    const std::string id = golden.hex().substr(0, 8);
    try {
        const auto repository = run.open(LockMode::shared);
        const Snapshot snapshot = pick(run, *repository, golden.hex());
        RestoreArguments arguments;
        arguments.yes = true;
        // Minutes ago this state ran here, and the new one does not: whoever asked for the way back then asked for it whatever a
        // matrix says of the application that the command may have left behind.
        arguments.allow_incompatible = true;
        const std::string& reason = run.arguments.rollback.reason;
        restore_snapshot(run, *repository, arguments, {snapshot, {}}, reason.empty() ? failed : reason + ": " + failed);
    } catch (const Error& error) {
        throw Error(Code::rollback_incomplete,
                    fmt::format("{}; the stack was not put back to snapshot {}: {}", failed, id, error.what()),
                    error.hint().empty() ? fmt::format("ingot restore {}", id) : error.hint());
    }
}

}  // namespace

int cmd_guard(Invocation& run) {
    const GuardArguments& arguments = run.arguments.guard;
    run.refuse_while_unfinished();
    const RecordId golden = take_golden(run);
    const int status = run_in_foreground(arguments.command);
    const std::string failed = what_failed(run, status);
    run.progress.clear();
    const std::string id = golden.hex().substr(0, 8);
    const bool back = !failed.empty() && !arguments.no_rollback;
    if (back) {
        run.out.warn(fmt::format("{}: rolling back to snapshot {}", printable(failed), id));
        roll_back(run, golden, failed);
        run.out.warn(fmt::format("{}; the stack was rolled back to snapshot {}", printable(failed), id));
    } else if (!failed.empty()) {
        run.out.warn(fmt::format("{}; nothing was rolled back", printable(failed)));
        run.out.hint(fmt::format("ingot restore {} puts the stack back to before the command", id));
    }
    const int exit = back ? kExitRolledBack : status != 0 ? status : failed.empty() ? kExitDone : kExitFailed;
    JsonObject object("guard");
    object.add("snapshot_id", golden.hex()).add("command_status", status).add("problem", failed);
    run.out.object(object.add("outcome", failed.empty() ? "kept" : back ? "rolled_back" : "failed").add("exit", exit));
    return exit;
}

}  // namespace ingot
