// audit: what was done, by whom and why. report: the same of one restore, in Markdown.
#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/pending.h"
#include "cli/pick.h"
#include "restore/report.h"
#include "snapshot/audit.h"

namespace ingot {
namespace {

struct Listed {
    AuditRecord record;
    bool waiting = false;  // not in the repository yet
};

std::vector<Listed> all_audits(Invocation& run, Repository& repository) {
    const auto warn = [&](const std::string& line) { run.out.warn(line); };
    std::vector<Listed> out;
    for (AuditRecord& record : load_audits(repository, warn)) out.push_back({std::move(record), false});
    for (AuditRecord& record : waiting_audits(run.fs, repository, run.state_dir(), warn)) {
        const Bytes bytes = encode_audit(record);
        const bool filed = std::ranges::any_of(out, [&](const Listed& each) { return encode_audit(each.record) == bytes; });
        if (!filed) out.push_back({std::move(record), true});
    }
    std::ranges::stable_sort(out, {}, [](const Listed& each) { return each.record.finished_ms; });
    const std::string stack = wanted_stack(run);
    if (!stack.empty()) std::erase_if(out, [&](const Listed& each) { return each.record.stack != stack; });
    return out;
}

std::string short_snapshot(const AuditRecord& record) { return record.snapshot ? record.snapshot->hex().substr(0, 8) : ""; }

// The last of that restore: one that a crash cut short, and was finished, has all of its steps there.
const AuditRecord& find_restore(const std::vector<Listed>& audits, const std::string& wanted) {
    const AuditRecord* found = nullptr;
    for (const Listed& each : audits) {
        const std::string& id = each.record.restore_id;
        if (id.empty() || !id.starts_with(wanted)) continue;
        if (!wanted.empty() && found != nullptr && found->restore_id != id) {
            throw Error(Code::usage, fmt::format("{} begins the ids of several restores", printable(wanted)),
                        "give more of its digits: `ingot audit` lists them");
        }
        found = &each.record;
    }
    if (found != nullptr) return *found;
    throw Error(
        Code::not_found,
        wanted.empty() ? std::string("no restore is recorded") : fmt::format("no restore {} is recorded", printable(wanted)),
        "`ingot audit` lists what is");
}

}  // namespace

int cmd_audit(Invocation& run) {
    const auto repository = run.open(LockMode::shared);
    Table table({"Time", "Action", "Stack", "By", "Restore", "Snapshot", "Outcome", ">Took", "Reason"});
    for (const Listed& each : all_audits(run, *repository)) {
        const AuditRecord& record = each.record;
        JsonObject object("audit");
        object.add("waiting", each.waiting).add_raw("record", text_of(encode_audit(record)));
        run.out.object(object);
        table.add({local_time(record.finished_ms), printable(record.action), printable(record.stack),
                   printable(fmt::format("{}@{}", record.user, record.host)), printable(record.restore_id),
                   short_snapshot(record), printable(record.outcome) + (each.waiting ? " (waits)" : ""),
                   human_duration(record.duration_ms()), printable(record.reason.empty() ? record.error : record.reason)});
    }
    if (!table.empty()) {
        run.out.table(table);
    } else if (!run.out.json) {
        run.out.note("nothing is recorded");
    }
    return kExitDone;
}

int cmd_report(Invocation& run) {
    const auto repository = run.open(LockMode::shared);
    const std::vector<Listed> audits = all_audits(run, *repository);
    const AuditRecord& record = find_restore(audits, run.arguments.look.which);
    const std::vector<Snapshot> snapshots = all_snapshots(run, *repository);
    const auto snapshot = std::ranges::find_if(snapshots, [&](const Snapshot& each) { return record.snapshot == each.id; });
    const std::string report = incident_report(record, snapshot == snapshots.end() ? nullptr : &snapshot->manifest);
    if (!run.out.json) {
        run.out.bytes(view_of(report));
        return kExitDone;
    }
    JsonObject object("report");
    object.add("restore_id", record.restore_id)
        .add("snapshot_id", record.snapshot ? std::optional(record.snapshot->hex()) : std::nullopt);
    run.out.object(object.add("outcome", record.outcome).add("markdown", report));
    return kExitDone;
}

}  // namespace ingot
