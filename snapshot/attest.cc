#include "snapshot/attest.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_set>

#include "base/clock.h"
#include "base/error.h"
#include "base/filesystem.h"
#include "base/interrupt.h"
#include "base/scratch_folder.h"
#include "snapshot/invariants.h"
#include "snapshot/listing.h"
#include "snapshot/materialise.h"
#include "snapshot/top_k.h"
#include "store/reader.h"

namespace ingot {
namespace {

// Roots remembered while verifying, so that files that are the same in many snapshots are walked once; beyond it some are walked
// again, which costs time only. 16 MiB or so for each height.
constexpr size_t kRememberedRoots = 200'000;
// Of a repository that is lost in whole there are millions; a record is a page of text.
constexpr size_t kFindingsInRecord = 20;

// One stream of a snapshot: a source's listing, or a file of it.
struct NamedStream {
    ChunkKind kind;
    const StreamRoot& root;
    std::string label;
    bool first;  // false: it was met before, under another label
};

// Goes through the streams of snapshots: the same ones, in the same order, under the same labels, each time.
class StreamsOf {
public:
    // The same digest is another thing as a node of another height, or of the other kind.
    using Key = std::pair<std::pair<ChunkKind, uint8_t>, Digest>;
    static Key key(const NamedStream& stream) { return {{stream.kind, stream.root.height}, stream.root.digest}; }

    // `several`: labels start with the snapshot's id.
    StreamsOf(Repository& repository, bool several) : repository_(repository), reader_(repository), several_(several) {}

    // A listing comes before its files; one that was met before comes without them. `unreadable`: a listing that cannot be read
    // on.
    void visit(const Snapshot& snapshot, const std::function<void(const NamedStream&)>& each,
               const std::function<void(const ManifestSource&, const Error&)>& unreadable) {
        const std::string before = several_ ? snapshot.short_id() + " " : "";
        for (const ManifestSource& source : snapshot.manifest.sources) {
            if (!source.listing) continue;
            const bool first = is_new(ChunkKind::meta, *source.listing);
            each({ChunkKind::meta, *source.listing, before + source.name + " (listing)", first});
            if (!first) continue;
            try {
                visit_files(source, before + source.name + "/", each);
            } catch (const Error& error) {
                if (error.code() != Code::damaged) throw;
                unreadable(source, error);
            }
        }
    }

private:
    void visit_files(const ManifestSource& source, const std::string& before,
                     const std::function<void(const NamedStream&)>& each) {
        ListingReader listing = open_listing(reader_, *source.listing, repository_.spool_dir());
        while (const std::optional<ListedEntry> listed = listing.next()) {
            check_interrupted();
            if (listed->entry.type != EntryType::file || listed->root.size == 0) continue;
            each({ChunkKind::data, listed->root, before + printable(listed->entry.path), is_new(ChunkKind::data, listed->root)});
        }
    }
    bool is_new(ChunkKind kind, const StreamRoot& root) {
        auto& seen = seen_[{kind, root.height}];
        if (seen.size() < kRememberedRoots) return seen.insert(root.digest).second;
        return !seen.contains(root.digest);
    }

    Repository& repository_;
    Reader reader_;
    bool several_;
    std::map<std::pair<ChunkKind, uint8_t>, std::unordered_set<Digest, Digest::Hash>> seen_;
};

Facts facts_of(const VerifyReport& report) {
    const auto number = [](uint64_t n) { return static_cast<int64_t>(n); };
    return {
        {"streams", number(report.streams)},   {"packs", number(report.packs)},   {"packs_recent", number(report.packs_recent)},
        {"segments", number(report.segments)}, {"chunks", number(report.chunks)}, {"bytes", number(report.bytes)}};
}

// Which sources' sizes may stand although the coverage contract objects. What could not be read is no size to accept.
bool is_accepted(const Snapshot& snapshot, const ManifestSource& source, const std::vector<std::string>& accepted) {
    if (!source.is_whole()) return false;
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
    for (std::string& broken : broken_invariants(stack.invariants, snapshot.manifest)) {
        verdict.reasons.push_back(std::move(broken));
    }
}

void read_back(Repository& repository, const Snapshot& snapshot, const Stack& stack, GoldenVerdict& verdict, Progress& progress) {
    verdict.verified = verify_snapshots(repository, {&snapshot}, stack.golden_max_age_ms, 1.0, progress);
    for (const Finding& each : verdict.verified.findings) {
        if (each.weight != Finding::Weight::note) verdict.reasons.push_back(each.where + ": " + each.what);
    }
    verdict.attestation.evidence["read back"] = facts_of(verdict.verified);
}

void open_artifact(Repository& repository, const ManifestSource& source, const Stack& stack, Driver& driver,
                   GoldenVerdict& verdict, Progress& progress) {
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
        record_top_k(stack, driver, scratch.path(), repository.spool_dir(), verdict.attestation, verdict.reasons, progress);
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
            open_artifact(repository, source, stack, **driver, verdict, progress);
        }
    }
    for (std::string& broken : broken_in_artifacts(stack.invariants, verdict.attestation.evidence)) {
        verdict.reasons.push_back(std::move(broken));
    }
    if (!stack.invariants.empty()) {
        verdict.attestation.evidence["invariants that hold"] = invariants_as_evidence(stack.invariants, snapshot.manifest);
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
    StreamsOf streams(repository, snapshots.size() > 1);
    std::vector<Finding> unreadable;
    for (const Snapshot* snapshot : snapshots) {
        streams.visit(
            *snapshot,
            [&](const NamedStream& stream) {
                if (stream.first) verifier->add(stream.kind, stream.root, stream.label);
            },
            [&](const ManifestSource& source, const Error& error) {
                unreadable.push_back({Finding::Weight::damage, snapshot->short_id() + " " + source.name,
                                      fmt::format("its listing cannot be read: {}", error.what())});
            });
    }
    VerifyReport report = verifier->run(max_age_ms, sample, progress);
    for (Finding& each : unreadable) report.findings.push_back(std::move(each));
    return report;
}

std::vector<const Snapshot*> concerned_by(Repository& repository, const std::vector<const Snapshot*>& snapshots,
                                          const VerifyReport& report) {
    std::unordered_set<std::string> labels;
    for (const Finding& each : report.findings) {
        if (each.weight != Finding::Weight::note) labels.insert(each.where);
    }
    if (labels.empty()) return {};
    StreamsOf streams(repository, snapshots.size() > 1);
    std::set<StreamsOf::Key> damaged;  // streams, and listings that name one
    std::vector<const Snapshot*> concerned;
    for (const Snapshot* snapshot : snapshots) {
        bool hit = false;
        std::optional<StreamsOf::Key> listing;
        streams.visit(
            *snapshot,
            [&](const NamedStream& stream) {
                const StreamsOf::Key key = StreamsOf::key(stream);
                if (stream.kind == ChunkKind::meta) listing = key;
                if (stream.first && labels.contains(stream.label)) damaged.insert(key);
                if (!damaged.contains(key)) return;
                hit = true;
                damaged.insert(*listing);
            },
            [&](const ManifestSource&, const Error&) {
                hit = true;
                damaged.insert(*listing);
            });
        if (hit) concerned.push_back(snapshot);
    }
    return concerned;
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
    for (const Finding& each : report.findings) {
        if (findings.size() < kFindingsInRecord) findings[each.where] = each.what;
    }
    if (report.findings.size() > kFindingsInRecord) findings["all in all"] = static_cast<int64_t>(report.findings.size());
    return attestation;
}

RecordId file_attestation(Repository& repository, const Attestation& attestation) {
    const std::unique_ptr<WriteSession> session = repository.begin();
    const RecordId id = session->add_record(RecordKind::attestation, encode_attestation(attestation));
    session->commit();
    return id;
}

}  // namespace ingot
