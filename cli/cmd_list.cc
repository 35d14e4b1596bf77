// list and show: what is known about snapshots, from manifests and attestations alone.
#include <fmt/format.h>

#include <algorithm>

#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/pick.h"

namespace ingot {
namespace {

std::string marks(const Snapshot& snapshot) {
    if (snapshot.golden()) return "golden";
    if (snapshot.suspect()) return "suspect";
    if (!snapshot.complete()) return "partial";
    if (snapshot.safety()) return "safety";
    return snapshot.last(AttestationKind::verified) ? "verified" : "";
}

std::string source_names(const Manifest& manifest) {
    std::string names;
    for (const ManifestSource& source : manifest.sources) names += (names.empty() ? "" : ",") + source.name;
    return names;
}

// The day it was last restored to scratch and opened.
std::string drilled_on(const Snapshot& snapshot) {
    const std::optional<int64_t> drilled_ms = snapshot.last(AttestationKind::drilled);
    return drilled_ms ? local_time(*drilled_ms).substr(0, 10) : "";
}

JsonObject listed(const Snapshot& snapshot) {
    const Manifest& manifest = snapshot.manifest;
    std::vector<std::string> sources;
    for (const ManifestSource& source : manifest.sources) sources.push_back(source.name);
    JsonObject object("snapshot");
    object.add("id", snapshot.id.hex()).add("short_id", snapshot.short_id()).add("moment", iso_utc(manifest.moment_ms));
    object.add("stack", manifest.stack)
        .add("host", manifest.host)
        .add("golden", snapshot.golden())
        .add("suspect", snapshot.suspect())
        .add("partial", !snapshot.complete());
    object.add("consistency", to_string(manifest.consistency))
        .add("skew_ms", manifest.skew_ms)
        .add("pause_ms", manifest.pause_ms);
    object.add("sources", sources)
        .add("bytes", bytes_of(manifest))
        .add("bytes_new", manifest.bytes_new)
        .add("tags", manifest.tags);
    const std::optional<int64_t> verified_ms = snapshot.last(AttestationKind::verified);
    const std::optional<int64_t> drilled_ms = snapshot.last(AttestationKind::drilled);
    object.add("drilled", drilled_ms ? std::optional(iso_utc(*drilled_ms)) : std::nullopt);
    object.add("verified", verified_ms ? std::optional(iso_utc(*verified_ms)) : std::nullopt);
    return object;
}

void show_sources(Output& out, const Manifest& manifest) {
    Table table({"Source", "Driver", "State", "Consistency", ">Entries", ">Size", ">Blocked", "Moment"});
    for (const ManifestSource& source : manifest.sources) {
        table.add({source.name, source.driver, to_string(source.status),
                   source.consistency == PinConsistency::pinned ? "pinned" : "fuzzy", std::to_string(source.entries),
                   human_bytes(source.bytes), human_duration(source.pause_ms), iso_utc(source.moment_last_ms)});
    }
    out.line("");
    out.table(table);
    for (const ManifestSource& source : manifest.sources) {
        if (!source.problem.empty()) out.line(fmt::format("  {}: {}", source.name, printable(source.problem)));
        if (!source.hint.empty()) out.line(fmt::format("  {}: hint: {}", source.name, printable(source.hint)));
        for (const auto& [name, fact] : source.facts) out.line(fmt::format("  {}.{} = {}", source.name, name, fact_text(fact)));
        for (const std::string& note : source.notes) out.line(fmt::format("  {}: {}", source.name, printable(note)));
    }
}

void show_attestations(Output& out, const Snapshot& snapshot) {
    if (snapshot.attestations.empty()) return;
    out.line("");
    for (const Attestation& attestation : snapshot.attestations) {
        out.line(fmt::format("{} at {} on {}", to_string(attestation.kind), local_time(attestation.time_ms),
                             printable(attestation.host)));
        for (const auto& [about, facts] : attestation.evidence) {
            std::string line;
            for (const auto& [name, fact] : facts) line += fmt::format(" {}={}", name, fact_text(fact));
            out.line(fmt::format("  {}:{}", printable(about), line));
        }
        if (!attestation.accepted.empty()) out.line(fmt::format("  accepted: {}", fmt::join(attestation.accepted, ", ")));
    }
}

}  // namespace

int cmd_list(Invocation& run) {
    const auto repository = run.open(LockMode::shared);
    const LookArguments& arguments = run.arguments.look;
    Table table({"ID", "Time", "Stack", "State", "Consistency", "Drilled", "Sources", ">Size", "Tags"});
    for (const Snapshot& snapshot : all_snapshots(run, *repository)) {
        const Manifest& manifest = snapshot.manifest;
        const bool tagged =
            arguments.tag.empty() || std::find(manifest.tags.begin(), manifest.tags.end(), arguments.tag) != manifest.tags.end();
        if (!tagged || (arguments.golden && !snapshot.golden())) continue;
        if (!run.arguments.stack.empty() && manifest.stack != run.arguments.stack) continue;
        run.out.object(listed(snapshot));
        table.add({snapshot.short_id(), local_time(manifest.moment_ms), printable(manifest.stack), marks(snapshot),
                   to_string(manifest.consistency), drilled_on(snapshot), printable(source_names(manifest)),
                   human_bytes(bytes_of(manifest)), printable(fmt::format("{}", fmt::join(manifest.tags, ",")))});
    }
    if (!table.empty()) {
        run.out.table(table);
    } else if (!run.out.json) {
        run.out.note("no snapshots");
    }
    return kExitDone;
}

int cmd_show(Invocation& run) {
    const auto repository = run.open(LockMode::shared);
    const Snapshot snapshot = pick(run, *repository, run.arguments.look.which);
    const Manifest& manifest = snapshot.manifest;
    if (run.out.json) {
        // The record as it is stored, so that fields of later versions are seen, too.
        JsonObject object("snapshot");
        object.add("id", snapshot.id.hex()).add("golden", snapshot.golden()).add("partial", !snapshot.complete());
        object.add_raw("manifest", text_of(repository->read_record({RecordKind::manifest, snapshot.id})));
        std::string attestations;
        for (const Attestation& attestation : snapshot.attestations) {
            attestations += (attestations.empty() ? "" : ",") + std::string(text_of(encode_attestation(attestation)));
        }
        run.out.object(object.add_raw("attestations", "[" + attestations + "]"));
        return kExitDone;
    }
    Table table({"", ""});
    table.add({"snapshot", snapshot.id.hex()});
    const std::string mark = marks(snapshot);
    if (!mark.empty()) table.add({"state", mark});
    const std::optional<int64_t> drilled_ms = snapshot.last(AttestationKind::drilled);
    table.add({"drilled", drilled_ms ? local_time(*drilled_ms) : "never"});
    table.add({"moment", fmt::format("{}  ({})", local_time(manifest.moment_ms), iso_utc(manifest.moment_ms))});
    table.add({"stack", printable(fmt::format("{} at {}", manifest.stack, manifest.root))});
    table.add({"host", printable(manifest.host)});
    if (!manifest.application_version.empty()) table.add({"version", printable(manifest.application_version)});
    if (!manifest.tags.empty()) table.add({"tags", printable(fmt::format("{}", fmt::join(manifest.tags, ", ")))});
    table.add({"consistency", fmt::format("{}, skew {}", to_string(manifest.consistency), human_duration(manifest.skew_ms))});
    if (manifest.pause_ms) table.add({"paused", human_duration(*manifest.pause_ms)});
    table.add({"taken in", human_duration(manifest.finished_ms - manifest.started_ms)});
    table.add(
        {"size", fmt::format("{}, of which {} were new", human_bytes(bytes_of(manifest)), human_bytes(manifest.bytes_new))});
    table.add({"made by", printable("ingot " + manifest.ingot_version)});
    run.out.table(table);
    show_sources(run.out, manifest);
    show_attestations(run.out, snapshot);
    return kExitDone;
}

}  // namespace ingot
