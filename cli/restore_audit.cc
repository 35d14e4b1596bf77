#include "cli/restore_audit.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "cli/exit_code.h"
#include "cli/pending.h"
#include "cli/pick.h"
#include "restore/journal.h"

namespace ingot {
namespace {

AuditStep audited(const RestoreStep& step) { return {step.name, step.at_ms, step.ms, step.failed, step.detail}; }

// What the newest other snapshot says of a source: the last that is known of it where the live engine was not asked.
void take_from_snapshots(AuditSource& source, const std::vector<Snapshot>& snapshots, const Snapshot& chosen) {
    for (auto each = snapshots.rbegin(); each != snapshots.rend(); ++each) {
        if (each->manifest.stack != chosen.manifest.stack || each->id == chosen.id) continue;
        if (each->manifest.moment_ms < chosen.manifest.moment_ms) return;
        const ManifestSource* known = each->manifest.find(source.name);
        if (known == nullptr || known->facts.empty()) continue;
        source.before = known->facts;
        source.before_from = "snapshot " + each->short_id();
        source.before_at_ms = each->manifest.moment_ms;
        return;
    }
}

// From the start of the first `stop` to the end of the last `start`: of a restore that threw nobody else says it.
int64_t outage_of(const std::vector<AuditStep>& steps) {
    int64_t from_ms = 0, until_ms = 0;
    for (const AuditStep& step : steps) {
        if (step.name == "stop" && from_ms == 0) from_ms = step.at_ms;
        if (step.name == "start" && !step.failed) until_ms = step.at_ms + step.ms;
    }
    return from_ms != 0 && until_ms > from_ms ? until_ms - from_ms : 0;
}

}  // namespace

RestoreAudit::RestoreAudit(Invocation& run, Repository& repository, const Snapshot& snapshot,
                           const std::vector<std::string>& only, const std::string& reason, bool live)
    : run_(run), live_(live) {
    run.event.snapshot_id = snapshot.id.hex();
    if (!live) return;
    run.event.changes_live = true;
    run.event.reason = reason;
    record_ = new_audit(run.arguments.command, snapshot.manifest.stack);
    record_.reason = reason;
    record_.snapshot = snapshot.id;
    record_.snapshot_moment_ms = snapshot.manifest.moment_ms;
    record_.version_snapshot = snapshot.manifest.application_version;
    LiveState state;
    if (run.live_facts) state = run.live_facts->collect();
    run.live_facts.reset();
    record_.version_before = state.version;
    std::vector<Snapshot> snapshots;
    for (const ManifestSource& each : snapshot.manifest.sources) {
        if (!only.empty() && std::ranges::find(only, each.name) == only.end()) continue;
        AuditSource source;
        source.name = each.name;
        source.driver = each.driver;
        source.after = each.facts;
        if (const auto found = state.facts.find(each.name); found != state.facts.end()) {
            source.before = found->second;
            source.before_from = "live";
            source.before_at_ms = state.at_ms;
        } else if (!each.facts.empty()) {
            // What cannot be read was warned of when the snapshot was chosen.
            if (snapshots.empty()) snapshots = load_snapshots(repository, snapshot.manifest.stack, [](const std::string&) {});
            take_from_snapshots(source, snapshots, snapshot);
        }
        record_.sources.push_back(std::move(source));
    }
}

RestoreAudit::RestoreAudit(Invocation& run) : run_(run) {
    record_ = new_audit("resume", run.stack().name);
    try {
        const std::optional<Journal> journal = unfinished_restore(run.fs, run.state_dir(), record_.stack);
        if (!journal) return;
        record_.started_ms = journal->started_ms;
        record_.reason = journal->reason;
        record_.restore_id = journal->restore_id;
        record_.snapshot = journal->snapshot;
        record_.version_before = journal->services.version_before;
        record_.version_snapshot = journal->services.version_after;
        for (const RestoreStep& each : journal->steps) record_.steps.push_back(audited(each));
        for (const JournalTarget& each : journal->targets) record_.sources.push_back({each.source, each.driver, {}, 0, {}, {}});
        run.event.snapshot_id = journal->snapshot.hex();
        run.event.reason = journal->reason;
        run.event.changes_live = true;
    } catch (const Error& error) {
        ignore_error(error, "the recovery reads the same journal, and says what is wrong with it");
    }
}

// The journal has it from the restore's first step on; a restore that throws hands nothing back.
void RestoreAudit::note_id() {
    if (!live_ || !record_.restore_id.empty()) return;
    try {
        const std::optional<Journal> journal = unfinished_restore(run_.fs, run_.state_dir(), record_.stack);
        if (journal) record_.restore_id = journal->restore_id;
    } catch (const Error& error) {
        ignore_error(error, "a restore whose journal cannot be read fails by itself");
    }
}

Timeline::Listener RestoreAudit::listener(Timeline::Listener next) {
    return [this, next = std::move(next)](const RestoreStep& step) {
        note_id();
        record_.steps.push_back(audited(step));
        if (next) next(step);
    };
}

BeforeForgetting RestoreAudit::before_forgetting() {
    return [this](const RestoreResult& result, const Error* error) {
        if (!live_) return;
        AuditRecord record = record_;
        fill(record, result);
        if (error != nullptr) {
            record.outcome = "rolled_back";
            record.exit = exit_code(error->code());
            record.error = without_passwords(error->what());
        }
        try {
            keep_restore_audit(run_, repository_key(run_), record);
        } catch (const Error& failed) {
            ignore_error(failed, "it is kept once more when all is told, and that says what is wrong");
        }
    };
}

void RestoreAudit::ended(const RestoreResult& result) {
    ended_ = true;
    if (result.outcome == "nothing") record_.restore_id.clear();
    if (!live_ || result.outcome == "nothing") return;
    fill(record_, result);
    run_.event.outcome = result.outcome;
}

void RestoreAudit::fill(AuditRecord& record, const RestoreResult& result) {
    record.restore_id = result.restore_id;
    record.outcome = result.outcome;
    record.finished_ms = wall_now_ms();
    record.targets = result.targets;
    record.bytes_written = result.bytes_written;
    record.unchanged = result.unchanged;
    record.replaced = result.replaced;
    record.added = result.added;
    record.removed = result.removed;
    record.metadata = result.metadata;
    record.outage_ms = result.outage_ms != 0 ? result.outage_ms : outage_of(record.steps);
    record.problems = result.problems;
    record.kept_in = result.kept_in;
    record.safety = result.safety;
    record.steps.clear();
    for (const RestoreStep& each : result.steps) record.steps.push_back(audited(each));
}

RestoreAudit::~RestoreAudit() {
    if (!live_ || record_.restore_id.empty()) return;
    if (!ended_) record_.outage_ms = outage_of(record_.steps);
    run_.event.restore_id = record_.restore_id;
    run_.event.outage_ms = record_.outage_ms;
    run_.event.audits.push_back(std::move(record_));
}

}  // namespace ingot
