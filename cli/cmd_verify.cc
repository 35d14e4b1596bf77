// verify: reading back. Under the shared lock; the attestation is filed under append afterwards, or waits.
#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "cli/commands.h"
#include "cli/damage_advice.h"
#include "cli/exit_code.h"
#include "cli/pending.h"
#include "cli/pick.h"
#include "snapshot/attest.h"

namespace ingot {
namespace {

// Of a repository that is lost in whole there are millions; the first ones say where to look.
constexpr size_t kFindingsTold = 20;

void note_verify(Event& event, const std::vector<const Snapshot*>& recorded, const VerifyReport& report, int exit) {
    event.outcome = exit == kExitDone ? "verified" : "damaged";
    event.read_back = exit == kExitDone && !recorded.empty();
    if (recorded.size() == 1) event.snapshot_id = recorded[0]->id.hex();
    if (exit == kExitDone) return;
    std::vector<std::string> found;
    for (const Finding& each : report.findings) {
        if (found.size() < kFindingsTold && each.weight != Finding::Weight::note) found.push_back(each.where + ": " + each.what);
    }
    event.error = found.empty() ? "" : found.front();
    for (const Snapshot* snapshot : recorded) {
        AuditRecord record = new_audit("verify", snapshot->manifest.stack);
        record.started_ms = event.began_ms;
        record.snapshot = snapshot->id;
        record.snapshot_moment_ms = snapshot->manifest.moment_ms;
        record.outcome = "damaged";
        record.exit = exit;
        record.problems = found;
        event.audits.push_back(std::move(record));
    }
}

}  // namespace

int cmd_verify(Invocation& run) {
    const VerifyArguments& arguments = run.arguments.verify;
    const int64_t began_ns = mono_now_ns();
    auto repository = run.open(LockMode::shared);
    std::vector<Snapshot> snapshots;
    if (arguments.all) {
        const std::string& stack = run.arguments.stack;
        for (Snapshot& snapshot : all_snapshots(run, *repository)) {
            if (stack.empty() || snapshot.manifest.stack == stack) snapshots.push_back(std::move(snapshot));
        }
    } else {
        snapshots.push_back(pick(run, *repository, arguments.which.empty() ? "latest" : arguments.which));
    }
    std::vector<const Snapshot*> chosen;
    for (const Snapshot& snapshot : snapshots) chosen.push_back(&snapshot);
    const VerifyReport report = verify_snapshots(*repository, chosen, arguments.max_age_ms, arguments.sample, run.progress);
    run.progress.clear();
    for (const Finding& finding : report.findings) {
        const char* weight = finding.weight == Finding::Weight::note     ? "note"
                             : finding.weight == Finding::Weight::damage ? "damage"
                                                                         : "tampering";
        JsonObject object("finding");
        run.out.object(object.add("weight", weight).add("where", printable(finding.where)).add("what", printable(finding.what)));
        run.out.line(fmt::format("{}: {}: {}", weight, printable(finding.where), printable(finding.what)));
    }
    const int exit = exit_code(report.findings);
    bool attested = false;
    // A sample proves the packs it read, and no snapshot; where damage was found, only that is recorded. What it did to one
    // snapshot alone is not asked: that one is suspect.
    std::vector<const Snapshot*> recorded;
    if (exit != kExitDone) {
        recorded = chosen.size() == 1 ? chosen : concerned_by(*repository, chosen, report);
    } else if (arguments.sample >= 1) {
        recorded = chosen;
    }
    note_verify(run.event, recorded, report, exit);
    DamageAdvice advice;
    if (exit == kExitDamaged && chosen.size() == 1) advice = advise(run, *repository, *chosen[0], {});
    std::vector<Attestation> attestations;
    for (const Snapshot* snapshot : recorded) attestations.push_back(verified_attestation(*snapshot, report));
    if (!attestations.empty()) {
        const RepositoryId id = repository->id();
        repository.reset();
        attested = file_or_keep(run, id, attestations, "what was verified");
    }
    const int64_t duration_ms = (mono_now_ns() - began_ns) / 1'000'000;
    const std::string share = arguments.sample < 1 ? fmt::format(" (a sample of {:g} %)", arguments.sample * 100) : "";
    run.out.line(fmt::format("{}: {} in {} and {} read back and re-hashed in {}{}", exit == kExitDone ? "verified" : "DAMAGED",
                             human_bytes(report.bytes), counted(report.chunks, "chunk"), counted(report.packs, "pack"),
                             human_duration(duration_ms), share));
    std::vector<std::string> suspect;
    if (exit != kExitDone) {
        for (const Snapshot* snapshot : recorded) {
            suspect.push_back(snapshot->id.hex());
            run.out.warn(fmt::format("snapshot {} of {} is suspect{}", snapshot->short_id(),
                                     local_time(snapshot->manifest.moment_ms),
                                     snapshot->golden() ? ", and golden no longer" : ""));
        }
        run.out.note(
            "what is damaged is named above; `ingot check` looks at the repository's structure, and other snapshots may be "
            "whole");
        if (!advice.where.empty()) run.out.warn(fmt::format("damaged are {}", advice.where));
        if (!advice.hint.empty()) run.out.hint(advice.hint);
    }
    JsonObject object("summary");
    std::vector<std::string> ids;
    for (const Snapshot& snapshot : snapshots) ids.push_back(snapshot.id.hex());
    object.add("snapshot_id", ids.size() == 1 ? std::optional(ids[0]) : std::nullopt)
        .add("snapshots", ids)
        .add("suspect", suspect)
        .add("sample", arguments.sample);
    object.add("streams", report.streams)
        .add("packs", report.packs)
        .add("packs_recent", report.packs_recent)
        .add("segments", report.segments);
    object.add("chunks", report.chunks).add("bytes", report.bytes).add("findings", static_cast<uint64_t>(report.findings.size()));
    object.add("attested", attested && exit == kExitDone)
        .add("duration_s", static_cast<double>(duration_ms) / 1000)
        .add("exit", exit);
    run.out.object(object);
    return exit;
}

}  // namespace ingot
