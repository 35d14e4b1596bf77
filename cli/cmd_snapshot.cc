#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/pick.h"
#include "snapshot/attest.h"
#include "snapshot/take.h"

namespace ingot {
namespace {

void check_tags(const std::vector<std::string>& tags) {
    for (const std::string& tag : tags) {
        if (tag.empty() || tag.size() > 64 || printable(tag) != tag || tag.find_first_of(", ") != std::string::npos) {
            throw Error(Code::usage, fmt::format("\"{}\" cannot be a tag", printable(tag)),
                        "a tag is one word of at most 64 bytes, without commas");
        }
        if (tag == kSafetyTag)
            throw Error(Code::usage, "the tag \"safety\" is that of what a restore replaced", "take another word");
    }
}

void say_problems(Output& out, const Manifest& manifest) {
    for (const ManifestSource& source : manifest.sources) {
        if (source.status != SourceStatus::stored) {
            out.warn(fmt::format("{} is {}{}{}", source.name, to_string(source.status), source.problem.empty() ? "" : ": ",
                                 printable(source.problem)));
            if (!source.hint.empty()) out.hint(fmt::format("{}: {}", source.name, printable(source.hint)));
        }
        for (const std::string& note : source.notes) out.note(fmt::format("{}: {}", source.name, printable(note)));
    }
}

// The snapshot is stored, but not what was asked.
std::string next_step(const TakeResult& result) {
    const Manifest& manifest = result.manifest;
    const std::string id = result.id.hex().substr(0, 8);
    std::string smaller;
    bool unwell = false;
    for (const ManifestSource& source : manifest.sources) {
        if (source.status == SourceStatus::shrunk || source.status == SourceStatus::empty) smaller += " --accept " + source.name;
        unwell = unwell || source.status == SourceStatus::missing || source.status == SourceStatus::unreadable;
    }
    if (unwell) return "mend what is named above and run the command again: what was stored is reused";
    if (!smaller.empty())
        return fmt::format("mend what is named above and run the command again; if the size is intended: ingot promote {}{}", id,
                           smaller);
    if (!result.broken_invariants.empty())
        return "the sources do not agree: pause what writes to them ([barrier] in the config) or mend them, then run the command "
               "again";
    return fmt::format("the snapshot is stored; when the cause is gone: ingot promote {}, or run the command again", id);
}

void show_details(Output& out, const TakeResult& result) {
    const Manifest& manifest = result.manifest;
    Table table({"Source", "Driver", "State", "Consistency", ">Entries", ">Size", "Facts"});
    for (const ManifestSource& source : manifest.sources) {
        std::string facts;
        for (const auto& [name, fact] : source.facts)
            facts += fmt::format("{}{}={}", facts.empty() ? "" : " ", name, fact_text(fact));
        table.add({source.name, source.driver, to_string(source.status),
                   source.consistency == PinConsistency::pinned ? "pinned" : "fuzzy", std::to_string(source.entries),
                   human_bytes(source.bytes), facts});
    }
    out.table(table);
    const std::string pause = manifest.pause_ms ? fmt::format(", writers paused {}", human_duration(*manifest.pause_ms)) : "";
    out.line(fmt::format("{}, skew {}{}; read {}, new {}, stored {} in {}", to_string(manifest.consistency),
                         human_duration(manifest.skew_ms), pause, human_bytes(result.totals.bytes_read),
                         human_bytes(result.totals.bytes_new), human_bytes(result.totals.bytes_stored),
                         human_duration(result.duration_ms)));
}

JsonObject summary(const TakeResult& result, int exit) {
    const Manifest& manifest = result.manifest;
    uint64_t streams = 0;
    for (const ManifestSource& source : manifest.sources) streams += source.streams;
    JsonObject object("summary");
    object.add("snapshot_id", result.id.hex()).add("golden", result.golden).add("partial", !manifest.complete());
    object.add("broken_invariants", result.broken_invariants);
    object.add("why_not_golden", result.why_not_golden)
        .add("writers_resumed", result.writers_resumed)
        .add("warnings", result.warnings)
        .add("consistency", to_string(manifest.consistency));
    object.add("moment", iso_utc(manifest.moment_ms)).add("skew_ms", manifest.skew_ms).add("pause_ms", manifest.pause_ms);
    object.add("sources", static_cast<uint64_t>(manifest.sources.size())).add("streams", streams);
    std::vector<JsonObject> details;
    for (const ManifestSource& source : manifest.sources) {
        JsonObject detail;
        detail.add("name", source.name)
            .add("driver", source.driver)
            .add("status", to_string(source.status))
            .add("problem", source.problem)
            .add("hint", source.hint);
        detail.add("consistency", source.consistency == PinConsistency::pinned ? "pinned" : "fuzzy")
            .add("pause_ms", source.pause_ms);
        const auto bytes_new = result.bytes_new.find(source.name);
        detail.add("bytes_new", bytes_new == result.bytes_new.end() ? uint64_t{0} : bytes_new->second);
        detail.add("entries", source.entries).add("bytes", source.bytes).add("facts", source.facts);
        details.push_back(std::move(detail));
    }
    object.add("source_details", details);
    object.add("bytes_read", result.totals.bytes_read)
        .add("chunks", result.totals.chunks)
        .add("chunks_new", result.totals.chunks_new);
    object.add("bytes_new", result.totals.bytes_new)
        .add("bytes_meta", result.totals.bytes_meta)
        .add("bytes_stored", result.totals.bytes_stored);
    object.add("duration_s", static_cast<double>(result.duration_ms) / 1000).add("exit", exit);
    return object;
}

void note_snapshot(Event& event, const TakeResult& result) {
    const Manifest& manifest = result.manifest;
    event.snapshot_id = result.id.hex();
    event.outcome = !manifest.complete() ? "partial" : result.golden ? "golden" : "stored";
    if (!manifest.complete()) {
        for (const ManifestSource& source : manifest.sources) {
            if (source.status == SourceStatus::stored) continue;
            event.error += fmt::format("{}{} is {}", event.error.empty() ? "" : ", ", source.name, to_string(source.status));
        }
    } else if (!result.why_not_golden.empty()) {
        event.error = "not golden: " + result.why_not_golden;
    } else if (!result.broken_invariants.empty()) {
        event.error = result.broken_invariants.front();
    }
    event.figures = SnapshotFigures{bytes_of(manifest), result.totals.bytes_new, result.totals.bytes_stored, manifest.pause_ms};
}

void note_promote(Event& event, const Snapshot& snapshot, const GoldenVerdict& verdict, const std::vector<std::string>& accepted,
                  int exit) {
    event.snapshot_id = snapshot.id.hex();
    event.outcome = verdict.golden ? "golden" : "not_golden";
    event.read_back = verdict.golden;
    AuditRecord record = new_audit("promote", snapshot.manifest.stack);
    record.started_ms = event.began_ms;
    record.snapshot = snapshot.id;
    record.snapshot_moment_ms = snapshot.manifest.moment_ms;
    record.version_snapshot = snapshot.manifest.application_version;
    record.outcome = event.outcome;
    record.exit = exit;
    if (!accepted.empty()) record.reason = fmt::format("accepted: {}", fmt::join(accepted, ", "));
    record.problems = verdict.reasons;
    event.error = verdict.reasons.empty() ? "" : verdict.reasons.front();
    event.audits.push_back(std::move(record));
}

}  // namespace

int cmd_snapshot(Invocation& run) {
    const SnapshotArguments& arguments = run.arguments.snapshot;
    check_tags(arguments.tags);
    run.refuse_while_unfinished();
    Stack& stack = run.stack();
    const auto repository = run.open(LockMode::append);
    const TakeResult result = take_snapshot(*repository, stack, {arguments.tags, arguments.golden}, run.progress);
    note_snapshot(run.event, result);
    run.progress.clear();
    say_problems(run.out, result.manifest);
    for (const std::string& warning : result.warnings) run.out.warn(printable(warning));
    for (const Finding& finding : result.verified.findings)
        run.out.warn(fmt::format("{}: {}", printable(finding.where), printable(finding.what)));
    const bool partial = !result.manifest.complete();
    const bool missed_golden = arguments.golden && !result.golden;
    if (!arguments.golden) {
        for (const std::string& broken : result.broken_invariants) run.out.warn(printable(broken));
    }
    if (missed_golden && !result.why_not_golden.empty())
        run.out.warn(fmt::format("not golden: {}", printable(result.why_not_golden)));
    const bool broken = !result.broken_invariants.empty();
    if (partial || missed_golden || broken) run.out.hint(next_step(result));
    if (run.out.verbosity > 0) show_details(run.out, result);
    int exit = exit_code(result.verified.findings);
    if (exit == kExitDone && (partial || missed_golden || broken || !result.writers_resumed)) exit = kExitNotAsAsked;
    const std::string mark = result.golden ? ", golden" : partial ? ", partial" : "";
    run.out.line(fmt::format("snapshot {} saved{}", result.id.hex().substr(0, 8), mark));
    run.out.object(summary(result, exit));
    return exit;
}

int cmd_promote(Invocation& run) {
    const PromoteArguments& arguments = run.arguments.promote;
    Stack& stack = run.stack();
    const auto repository = run.open(LockMode::append);
    const Snapshot snapshot = pick(run, *repository, arguments.which);
    if (snapshot.safety()) {
        throw Error(Code::usage, fmt::format("snapshot {} is what a restore replaced: it is never golden", snapshot.short_id()),
                    "`ingot undo` puts it back; then take a golden snapshot");
    }
    for (const std::string& source : arguments.accept) {
        if (snapshot.manifest.find(source) == nullptr) {
            throw Error(Code::usage, fmt::format("snapshot {} has no source {}", snapshot.short_id(), printable(source)),
                        fmt::format("ingot show {}", snapshot.short_id()));
        }
    }
    const GoldenVerdict verdict = prove_golden(*repository, snapshot, stack, arguments.accept, run.progress);
    run.progress.clear();
    for (const Finding& finding : verdict.verified.findings)
        run.out.warn(fmt::format("{}: {}", printable(finding.where), printable(finding.what)));
    int exit = kExitDone;
    if (verdict.golden) {
        file_attestation(*repository, verdict.attestation);
        run.out.line(fmt::format("snapshot {} is golden", snapshot.short_id()));
    } else {
        for (const std::string& reason : verdict.reasons) run.out.warn(fmt::format("not golden: {}", printable(reason)));
        run.out.line(fmt::format("snapshot {} is not golden", snapshot.short_id()));
        exit = exit_code(verdict.verified.findings);
        if (exit == kExitDone) exit = kExitNotAsAsked;
    }
    note_promote(run.event, snapshot, verdict, arguments.accept, exit);
    JsonObject object("summary");
    object.add("snapshot_id", snapshot.id.hex()).add("golden", verdict.golden).add("reasons", verdict.reasons);
    object.add("accepted", arguments.accept).add("bytes_verified", verdict.verified.bytes).add("exit", exit);
    run.out.object(object);
    return exit;
}

}  // namespace ingot
