#include "snapshot/attest.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <map>
#include <unordered_set>

#include "base/clock.h"
#include "base/error.h"
#include "base/filesystem.h"
#include "base/interrupt.h"
#include "base/scratch_folder.h"
#include "snapshot/listing.h"
#include "snapshot/materialise.h"
#include "store/reader.h"

namespace ingot {
namespace {

// Roots remembered while verifying, so that files that are the same in many snapshots are walked once; beyond it some are walked
// again, which costs time only. 16 MiB or so for each height.
constexpr size_t kRememberedRoots = 200'000;

// Gives the verifier all streams of snapshots, each once.
class StreamsOf {
public:
    StreamsOf(Repository& repository, Verifier& verifier) : repository_(repository), reader_(repository), verifier_(verifier) {}

    void add(const Snapshot& snapshot) {
        for (const ManifestSource& source : snapshot.manifest.sources) {
            if (!source.listing || !is_new(ChunkKind::meta, *source.listing)) continue;
            try {
                add_source(source);
            } catch (const Error& error) {
                if (error.code() != Code::damaged) throw;
                damage_.push_back({Finding::Weight::damage, snapshot.short_id() + " " + source.name,
                                   fmt::format("its listing cannot be read: {}", error.what())});
            }
        }
    }
    std::vector<Finding> damage() { return std::move(damage_); }

private:
    void add_source(const ManifestSource& source) {
        verifier_.add(ChunkKind::meta, *source.listing, source.name + " (listing)");
        ListingReader listing = open_listing(reader_, *source.listing, repository_.spool_dir());
        while (const std::optional<ListedEntry> listed = listing.next()) {
            check_interrupted();
            if (listed->entry.type != EntryType::file || listed->root.size == 0 || !is_new(ChunkKind::data, listed->root))
                continue;
            verifier_.add(ChunkKind::data, listed->root, source.name + "/" + printable(listed->entry.path));
        }
    }
    // The same digest is another thing as a node of another height, or of the other kind.
    bool is_new(ChunkKind kind, const StreamRoot& root) {
        auto& seen = seen_[{kind, root.height}];
        if (seen.size() < kRememberedRoots) return seen.insert(root.digest).second;
        return !seen.contains(root.digest);
    }

    Repository& repository_;
    Reader reader_;
    Verifier& verifier_;
    std::map<std::pair<ChunkKind, uint8_t>, std::unordered_set<Digest, Digest::Hash>> seen_;
    std::vector<Finding> damage_;
};

Facts facts_of(const VerifyReport& report) {
    const auto number = [](uint64_t n) { return static_cast<int64_t>(n); };
    return {
        {"streams", number(report.streams)},   {"packs", number(report.packs)},   {"packs_recent", number(report.packs_recent)},
        {"segments", number(report.segments)}, {"chunks", number(report.chunks)}, {"bytes", number(report.bytes)}};
}

// Which sources' sizes may stand although the coverage contract objects.
bool is_accepted(const Snapshot& snapshot, const ManifestSource& source, const std::vector<std::string>& accepted) {
    if (!source.listing) return false;  // nothing of it was stored: there is nothing to accept
    return snapshot.accepted(source.name) || std::find(accepted.begin(), accepted.end(), source.name) != accepted.end();
}

void check_manifest(const Snapshot& snapshot, const Stack& stack, const std::vector<std::string>& accepted,
                    GoldenVerdict& verdict) {
    for (const std::string& name : accepted) {
        if (snapshot.manifest.find(name) == nullptr) {
            throw Error(Code::usage, fmt::format("snapshot {} has no source \"{}\"", snapshot.short_id(), printable(name)));
        }
    }
    for (const ManifestSource& source : snapshot.manifest.sources) {
        if (source.status == SourceStatus::stored || is_accepted(snapshot, source, accepted)) continue;
        verdict.reasons.push_back(fmt::format("{} is {}: {}", source.name, to_string(source.status), source.problem));
    }
    const Consistency needed = stack.needed_for_golden();
    if (snapshot.manifest.consistency < needed) {
        verdict.reasons.push_back(fmt::format("its consistency is {}, and golden requires {}",
                                              to_string(snapshot.manifest.consistency), to_string(needed)));
    }
}

void read_back(Repository& repository, const Snapshot& snapshot, const Stack& stack, GoldenVerdict& verdict, Progress& progress) {
    verdict.verified = verify_snapshots(repository, {&snapshot}, stack.golden_max_age_ms, 1.0, progress);
    for (const Finding& each : verdict.verified.findings) {
        if (each.weight != Finding::Weight::note) verdict.reasons.push_back(each.where + ": " + each.what);
    }
    verdict.attestation.evidence["read back"] = facts_of(verdict.verified);
}

void open_artifact(Repository& repository, const ManifestSource& source, Driver& driver, GoldenVerdict& verdict,
                   Progress& progress) {
    Facts& facts = verdict.attestation.evidence[source.name];
    facts = {{"entries", static_cast<int64_t>(source.entries)}, {"bytes", static_cast<int64_t>(source.bytes)}};
    if (!driver.artifact_needs_files()) return;
    progress.phase("opening " + source.name, source.bytes);
    const ScratchFolder scratch(real_filesystem(), repository.spool_dir());
    MaterialiseOptions options;
    options.metadata = false;
    materialise(repository, source, real_filesystem(), scratch.path(), options, progress);
    try {
        for (auto& [name, fact] : driver.open_artifact(scratch.path())) facts[name] = std::move(fact);
    } catch (const Error& error) {
        if (error.code() != Code::damaged && error.code() != Code::source) throw;
        verdict.reasons.push_back(fmt::format("{} cannot be opened: {}", source.name, error.what()));
    }
}

void open_artifacts(Repository& repository, const Snapshot& snapshot, const Stack& stack, GoldenVerdict& verdict,
                    Progress& progress) {
    for (const ManifestSource& source : snapshot.manifest.sources) {
        check_interrupted();
        const auto driver = std::find_if(stack.sources.begin(), stack.sources.end(),
                                         [&](const auto& each) { return each->spec().name == source.name; });
        if (driver == stack.sources.end()) {
            verdict.reasons.push_back(fmt::format("{} is no longer in the config, so nothing can open it", source.name));
        } else if (source.listing) {
            open_artifact(repository, source, **driver, verdict, progress);
        }
    }
}

Attestation new_attestation(AttestationKind kind, const Snapshot& snapshot) {
    Attestation attestation;
    attestation.kind = kind;
    attestation.manifest = snapshot.id;
    attestation.time_ms = wall_now_ms();
    attestation.host = host_name();
    return attestation;
}

}  // namespace

std::string host_name() {
    std::array<char, 256> name{};
    if (::gethostname(name.data(), name.size() - 1) != 0) return "unknown";
    return printable(name.data());
}

VerifyReport verify_snapshots(Repository& repository, const std::vector<const Snapshot*>& snapshots, int64_t max_age_ms,
                              double sample, Progress& progress) {
    const std::unique_ptr<Verifier> verifier = Verifier::over(repository);
    StreamsOf streams(repository, *verifier);
    for (const Snapshot* each : snapshots) streams.add(*each);
    VerifyReport report = verifier->run(max_age_ms, sample, progress);
    for (Finding& each : streams.damage()) report.findings.push_back(std::move(each));
    return report;
}

GoldenVerdict prove_golden(Repository& repository, const Snapshot& snapshot, const Stack& stack,
                           const std::vector<std::string>& accepted, Progress& progress) {
    GoldenVerdict verdict;
    verdict.attestation = new_attestation(AttestationKind::golden, snapshot);
    verdict.attestation.accepted = accepted;
    check_manifest(snapshot, stack, accepted, verdict);
    if (verdict.reasons.empty()) {
        progress.phase("verifying", 0);
        read_back(repository, snapshot, stack, verdict, progress);  // I3
    }
    if (verdict.reasons.empty()) open_artifacts(repository, snapshot, stack, verdict, progress);
    verdict.golden = verdict.reasons.empty();
    verdict.attestation.evidence["coverage"] = {{"sources", static_cast<int64_t>(snapshot.manifest.sources.size())},
                                                {"consistency", std::string(to_string(snapshot.manifest.consistency))},
                                                {"skew_ms", snapshot.manifest.skew_ms}};
    verdict.attestation.time_ms = wall_now_ms();
    return verdict;
}

Attestation verified_attestation(const Snapshot& snapshot, const VerifyReport& report) {
    Attestation attestation = new_attestation(report.clean() ? AttestationKind::verified : AttestationKind::suspect, snapshot);
    attestation.evidence["read back"] = facts_of(report);
    Facts& findings = attestation.evidence["findings"];
    for (const Finding& each : report.findings) findings[each.where] = each.what;
    return attestation;
}

RecordId file_attestation(Repository& repository, const Attestation& attestation) {
    const std::unique_ptr<WriteSession> session = repository.begin();
    const RecordId id = session->add_record(RecordKind::attestation, encode_attestation(attestation));
    session->commit();
    return id;
}

}  // namespace ingot
