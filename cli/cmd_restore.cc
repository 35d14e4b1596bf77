#include <fmt/format.h>

#include "base/error.h"
#include "cli/commands.h"
#include "cli/compat_check.h"
#include "cli/damage_advice.h"
#include "cli/exit_code.h"
#include "cli/keep_old.h"
#include "cli/paths.h"
#include "cli/pick.h"
#include "cli/restore_audit.h"
#include "cli/restore_run.h"
#include "cli/terminal.h"
#include "restore/journal.h"
#include "restore/left_aside.h"
#include "restore/restore.h"

namespace ingot {
namespace {

const char* word_of(RestoreChange::What what) {
    switch (what) {
        case RestoreChange::What::unchanged:
            return "unchanged";
        case RestoreChange::What::replace:
            return "replace";
        case RestoreChange::What::add:
            return "add";
        case RestoreChange::What::remove:
            return "remove";
        case RestoreChange::What::metadata:
            return "metadata";
    }
    return "replace";
}

void show_changes(Output& out, const RestoreResult& result) {
    for (const RestoreChange& change : result.changes) {
        JsonObject object("change");
        object.add("what", word_of(change.what))
            .add("source", change.source)
            .add_path("path", change.path)
            .add("bytes", change.bytes);
        out.object(object);
        const std::string place = printable(fmt::format("{}/{}", change.source, change.path));
        const bool sized = change.what == RestoreChange::What::replace || change.what == RestoreChange::What::add;
        out.line(fmt::format("{:<9}{}{}", word_of(change.what), place, sized ? "  " + human_bytes(change.bytes) : ""));
    }
}

JsonObject step_object(JsonObject object, const RestoreStep& each) {
    object.add("name", each.name).add("at", iso_utc(each.at_ms)).add("ms", each.ms).add("failed", each.failed);
    return object.add("detail", each.detail);
}

// Said as they end, so that a restore that fails, or dies, has told what it did.
Timeline::Listener step_sayer(Output& out) {
    return [&out](const RestoreStep& each) { out.object(step_object(JsonObject("step"), each)); };
}

void show_result(Output& out, const RestoreResult& result, const std::optional<Snapshot>& snapshot, const std::string& to) {
    for (const std::string& problem : result.problems) out.warn(printable(problem));
    for (const std::string& line : result.left_finished) out.note(line);
    const std::string counts = fmt::format("{} replaced, {} added, {} removed, {} in metadata only, {} unchanged",
                                           result.replaced, result.added, result.removed, result.metadata, result.unchanged);
    const std::string id = snapshot ? " " + snapshot->short_id() : "";
    if (result.outcome == "planned") {
        out.line(fmt::format("planned{}: {}; nothing was changed", id, counts));
    } else if (result.outcome == "written") {
        out.line(fmt::format("snapshot{} written below {}: {} in {}", id, printable(to), human_bytes(result.bytes_written),
                             human_duration(result.duration_ms)));
    } else if (result.outcome == "nothing") {
        out.line("no restore is unfinished: nothing to do");
    } else if (result.outcome == "undone") {
        out.line("the unfinished restore was taken back: the old state is live");
    } else {
        out.line(fmt::format("{}: {}; {} written, out for {}, {} in all", printable(result.outcome + id), counts,
                             human_bytes(result.bytes_written), human_duration(result.outage_ms),
                             human_duration(result.duration_ms)));
    }
    if (!result.safety.empty()) {
        out.note(fmt::format("what was replaced is snapshot {}: `ingot undo` puts it back", result.safety.substr(0, 8)));
    }
    if (!result.kept_in.empty()) out.line(fmt::format("what was replaced is kept in {}", printable(result.kept_in)));
    JsonObject object("summary");
    object.add("restore_id", result.restore_id).add("snapshot_id", snapshot ? std::optional(snapshot->id.hex()) : std::nullopt);
    std::vector<JsonObject> steps;
    for (const RestoreStep& each : result.steps) steps.push_back(step_object(JsonObject(), each));
    object.add("reason", result.reason.empty() ? std::nullopt : std::optional(result.reason)).add("steps", steps);
    object.add("outcome", result.outcome).add("targets", result.targets).add("bytes_written", result.bytes_written);
    object.add("unchanged", result.unchanged)
        .add("replaced", result.replaced)
        .add("added", result.added)
        .add("removed", result.removed);
    object.add("metadata", result.metadata).add("problems", result.problems).add("outage_ms", result.outage_ms);
    object.add("kept_in", result.kept_in.empty() ? std::nullopt : std::optional(result.kept_in));
    object.add("safety_snapshot_id", result.safety.empty() ? std::nullopt : std::optional(result.safety));
    out.object(object.add("duration_s", static_cast<double>(result.duration_ms) / 1000).add("exit", kExitDone));
}

int finish_unfinished(Invocation& run) {
    const Settings& settings = run.settings(ConfigUse::required);
    const std::optional<Journal> journal = unfinished_restore(run.fs, settings.state_dir.value, settings.config->stack_name);
    if (journal && journal->state == RestoreState::proven && run.arguments.restore.undo) {
        throw Error(Code::failed,
                    "that restore was already found good, and only its cleaning up is left: it cannot be undone any more",
                    "finish it with `ingot restore --resume`; then restore another snapshot if this one is not the one you want");
    }
    RecoverOptions options;
    options.undo = run.arguments.restore.undo;
    options.services = !run.arguments.restore.no_services;
    RestoreAudit audit(run);
    options.on_step = audit.listener(step_sayer(run.out));
    options.before_forgetting = audit.before_forgetting();
    options.left_aside = options.services && !options.undo;
    if (!run.arguments.restore.no_safety) options.keep_old = keep_old_by(run);
    const RestoreResult result = recover(run.stack(), run.fs, run.progress, options);
    audit.ended(result);
    run.progress.clear();
    show_result(run.out, result, std::nullopt, "");
    return kExitDone;
}

// An engine that rejects bytes that are all there stays the engine's word.
template <class Restoring>
RestoreResult telling_where_damage_is(Invocation& run, Repository& repository, const Snapshot& snapshot,
                                      const std::vector<std::string>& only, const Restoring& restoring) {
    try {
        return restoring();
    } catch (const Error& error) {
        if (error.code() != Code::damaged) throw;
        const DamageAdvice advice = advise(run, repository, snapshot, only);
        if (advice.where.empty()) throw;
        throw Error(error.code(), fmt::format("{}; damaged are {}", error.what(), advice.where), advice.hint);
    }
}

void say_choice(Output& out, const Picked& picked) {
    const Snapshot& snapshot = picked.snapshot;
    std::string mark = snapshot.golden() ? ", golden" : snapshot.complete() ? "" : ", PARTIAL";
    if (snapshot.suspect()) mark += ", SUSPECT: damage was found in it";
    out.note(fmt::format("chosen: snapshot {} of {}, {}{}", snapshot.short_id(), printable(snapshot.manifest.stack),
                         local_time(snapshot.manifest.moment_ms), mark));
    for (const std::string& line : picked.skipped) out.note(fmt::format("passed over: {}", printable(line)));
}

int restore_picked(Invocation& run, const RestoreArguments& arguments) {
    const bool live = arguments.to.empty();
    if (live) run.stack();  // its config is judged before the repository is opened
    Choice choice{arguments.which, std::nullopt};
    if (!arguments.at.empty()) choice.at_ms = parse_when(arguments.at, wall_now_ms());

    const auto repository = run.open(LockMode::shared);
    const std::string stack_name = live && run.arguments.stack.empty() ? run.settings().config->stack_name : wanted_stack(run);
    const Picked picked = pick(all_snapshots(run, *repository), choice, stack_name);
    restore_snapshot(run, *repository, arguments, picked, run.arguments.rollback.reason);
    return kExitDone;
}

}  // namespace

void restore_snapshot(Invocation& run, Repository& repository, const RestoreArguments& arguments, const Picked& picked,
                      const std::string& reason) {
    const bool live = arguments.to.empty();
    say_choice(run.out, picked);
    for (const std::string& source : arguments.only) {
        if (picked.snapshot.manifest.find(source) == nullptr) {
            throw Error(Code::usage, fmt::format("snapshot {} has no source {}", picked.snapshot.short_id(), printable(source)),
                        fmt::format("ingot show {}", picked.snapshot.short_id()));
        }
    }
    if (live) check_before_restore(run, repository, picked.snapshot, arguments.only, arguments.allow_incompatible);
    if (live && !arguments.dry_run && !arguments.yes && can_ask() &&
        !ask_yes(fmt::format("put the live stack {} back to that moment?", run.stack().name))) {
        throw Error(Code::failed, "not restored: you did not say yes", "--yes does not ask; --dry-run shows what would change");
    }
    RestoreOptions options;
    options.reason = reason;
    if (live && !arguments.no_safety) options.keep_old = keep_old_by(run);
    RestoreAudit audit(run, repository, picked.snapshot, arguments.only, options.reason, live && !arguments.dry_run);
    options.on_step = audit.listener(step_sayer(run.out));
    options.before_forgetting = audit.before_forgetting();
    options.only = arguments.only;
    options.dry_run = arguments.dry_run;
    if (!live) options.to = absolute_path(arguments.to);
    if (!arguments.keep_replaced.empty()) options.keep_replaced = absolute_path(arguments.keep_replaced);
    // Where there is a config it says what is live, which --to never touches.
    const bool live_known = live || run.settings().config.has_value();
    const RestoreResult result = telling_where_damage_is(run, repository, picked.snapshot, arguments.only, [&] {
        return live_known ? restore(repository, picked.snapshot, run.stack(), run.fs, options, run.progress)
                          : restore_to_folder(repository, picked.snapshot, run.fs, options, run.progress);
    });
    audit.ended(result);
    run.progress.clear();
    show_changes(run.out, result);
    show_result(run.out, result, picked.snapshot, options.to);
}

int cmd_restore(Invocation& run) {
    const RestoreArguments& arguments = run.arguments.restore;
    if (arguments.resume || arguments.undo) return finish_unfinished(run);
    if (arguments.to.empty() && !arguments.dry_run) run.refuse_while_unfinished();
    return restore_picked(run, arguments);
}

// For alerts and scripts: what an earlier one left unfinished is finished first, because nobody is there to do it.
int cmd_rollback(Invocation& run) {
    run.refuse_while_running();
    if (run.unfinished()) {
        RecoverOptions options;
        RestoreAudit audit(run);
        options.on_step = audit.listener(step_sayer(run.out));
        options.before_forgetting = audit.before_forgetting();
        options.keep_old = keep_old_by(run);
        const RestoreResult finished = recover(run.stack(), run.fs, run.progress, options);
        audit.ended(finished);
        for (const std::string& problem : finished.problems) run.out.warn(printable(problem));
        // An old state that cannot be stored must not keep anybody from rolling back.
        if (const std::string aside = set_proven_aside(run.fs, run.stack()); !aside.empty()) {
            run.out.warn(
                fmt::format("the old state of that restore stays where it lies, as {} says; `ingot restore "
                            "--resume` stores it when there is time",
                            printable(aside)));
        }
    }
    RestoreArguments arguments;
    arguments.which = "golden";
    arguments.allow_incompatible = run.arguments.rollback.allow_incompatible;
    arguments.yes = true;
    return restore_picked(run, arguments);
}

}  // namespace ingot
