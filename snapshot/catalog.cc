#include "snapshot/catalog.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/clock.h"
#include "base/error.h"

namespace ingot {
namespace {

constexpr size_t kShortestPrefix = 4;
// How many snapshots a hint names.
constexpr size_t kNamedInHint = 5;

std::string named(const Snapshot& snapshot) {
    return fmt::format("{} ({}{}{}{})", snapshot.short_id(), local_time(snapshot.manifest.moment_ms),
                       snapshot.golden() ? ", golden" : "", snapshot.complete() ? "" : ", partial",
                       snapshot.suspect() ? ", suspect" : "");
}

std::string what_there_is(const std::vector<Snapshot>& snapshots) {
    if (snapshots.empty()) return "there is no snapshot yet: take one with `ingot snapshot`";
    std::string out = "there is ";
    for (size_t i = 0; i < std::min(snapshots.size(), kNamedInHint); ++i) {
        out += (i == 0 ? "" : ", ") + named(snapshots[snapshots.size() - 1 - i]);
    }
    if (snapshots.size() > kNamedInHint) out += fmt::format(", and {} older (`ingot list`)", snapshots.size() - kNamedInHint);
    return out;
}

std::string why_partial(const Snapshot& snapshot) {
    std::string sources;
    for (const ManifestSource& each : snapshot.manifest.sources) {
        if (each.status == SourceStatus::stored || (each.is_whole() && snapshot.accepted(each.name))) continue;
        sources += (sources.empty() ? "" : ", ") + each.name + " " + to_string(each.status);
    }
    return fmt::format("{} is partial ({})", snapshot.short_id(), sources);
}

// The newest that is fit, after passing over `back` fit ones; newer ones that are not are named in `skipped`.
template <class Fit, class Why>
Chosen newest(const std::vector<Snapshot>& snapshots, uint64_t back, const Fit& fit, const Why& why, const std::string& wanted) {
    Chosen chosen{nullptr, {}};
    for (auto each = snapshots.rbegin(); each != snapshots.rend(); ++each) {
        if (each->safety()) continue;
        if (fit(*each)) {
            if (back-- > 0) continue;
            chosen.snapshot = &*each;
            return chosen;
        }
        if (std::string reason = why(*each); !reason.empty()) chosen.skipped.push_back(std::move(reason));
    }
    std::string hint = what_there_is(snapshots);
    if (!chosen.skipped.empty()) hint = chosen.skipped.front() + "; " + hint;
    throw Error(Code::not_found, "there is no " + wanted, hint);
}

bool complete(const Snapshot& snapshot) { return snapshot.complete(); }

Chosen by_id(const std::vector<Snapshot>& snapshots, const std::string& prefix) {
    std::vector<const Snapshot*> found;
    for (const Snapshot& each : snapshots) {
        if (each.id.hex().starts_with(prefix)) found.push_back(&each);
    }
    if (found.size() == 1) return {found[0], {}};
    if (found.empty()) {
        throw Error(Code::not_found, fmt::format("there is no snapshot {}", prefix), what_there_is(snapshots));
    }
    std::string names;
    for (const Snapshot* each : found) names += (names.empty() ? "" : ", ") + each->id.hex().substr(0, prefix.size() + 8);
    throw Error(Code::usage, fmt::format("{} begins the ids of {} snapshots", prefix, found.size()),
                "give more digits: " + names);
}

// N of "latest~N"; nothing where the text is no such thing.
std::optional<uint64_t> steps_back(std::string_view which) {
    if (which == "latest") return 0;
    if (!which.starts_with("latest~") || which.size() > 7 + 9 || which.size() == 7) return std::nullopt;
    uint64_t back = 0;
    for (const char c : which.substr(7)) {
        if (c < '0' || c > '9') return std::nullopt;
        back = back * 10 + static_cast<uint64_t>(c - '0');
    }
    return back;
}

bool is_id_prefix(std::string_view text) {
    return text.size() >= kShortestPrefix && text.size() <= 64 &&
           text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

std::map<RecordId, std::vector<Attestation>> load_attestations(Repository& repository,
                                                               const std::function<void(const std::string&)>& warn) {
    std::map<RecordId, std::vector<Attestation>> out;
    for (const RecordId& id : repository.records(RecordKind::attestation)) {
        try {
            Attestation attestation = decode_attestation(repository.read_record({RecordKind::attestation, id}));
            out[attestation.manifest].push_back(std::move(attestation));
        } catch (const Error& error) {
            if (error.code() != Code::damaged && error.code() != Code::not_found) throw;
            if (warn)
                warn(fmt::format("attestation {} cannot be read and does not count: {}", id.hex().substr(0, 8), error.what()));
        }
    }
    for (auto& [manifest, attestations] : out) {
        std::stable_sort(attestations.begin(), attestations.end(),
                         [](const Attestation& a, const Attestation& b) { return a.time_ms < b.time_ms; });
    }
    return out;
}

}  // namespace

bool Snapshot::golden() const {
    const std::optional<int64_t> golden = last(AttestationKind::golden);
    const std::optional<int64_t> suspect = last(AttestationKind::suspect);
    return golden && (!suspect || *golden > *suspect);
}

bool Snapshot::suspect() const {
    const std::optional<int64_t> suspect = last(AttestationKind::suspect);
    if (!suspect) return false;
    const int64_t whole = std::max(last(AttestationKind::golden).value_or(0), last(AttestationKind::verified).value_or(0));
    return *suspect >= whole;
}

bool Snapshot::accepted(const std::string& source) const {
    return std::any_of(attestations.begin(), attestations.end(), [&](const Attestation& attestation) {
        return std::find(attestation.accepted.begin(), attestation.accepted.end(), source) != attestation.accepted.end();
    });
}

bool Snapshot::complete() const {
    return std::all_of(manifest.sources.begin(), manifest.sources.end(), [this](const ManifestSource& source) {
        return source.status == SourceStatus::stored || (source.is_whole() && accepted(source.name));
    });
}

bool Snapshot::safety() const { return std::find(manifest.tags.begin(), manifest.tags.end(), kSafetyTag) != manifest.tags.end(); }

std::optional<int64_t> Snapshot::last(AttestationKind kind) const {
    std::optional<int64_t> time;
    for (const Attestation& each : attestations) {
        if (each.kind == kind) time = std::max(time.value_or(each.time_ms), each.time_ms);
    }
    return time;
}

std::vector<Snapshot> load_snapshots(Repository& repository, const std::string& stack_or_empty,
                                     const std::function<void(const std::string&)>& warn) {
    std::map<RecordId, std::vector<Attestation>> attestations = load_attestations(repository, warn);
    std::vector<Snapshot> out;
    for (const RecordId& id : repository.records(RecordKind::manifest)) {
        try {
            Manifest manifest = decode_manifest(repository.read_record({RecordKind::manifest, id}));
            if (!stack_or_empty.empty() && manifest.stack != stack_or_empty) continue;
            out.push_back({id, std::move(manifest), std::move(attestations[id])});
        } catch (const Error& error) {
            if (error.code() != Code::damaged && error.code() != Code::not_found) throw;
            if (warn) warn(fmt::format("snapshot {} cannot be read: {}", id.hex().substr(0, 8), error.what()));
        }
    }
    std::sort(out.begin(), out.end(), [](const Snapshot& a, const Snapshot& b) {
        return std::pair(a.manifest.moment_ms, a.id) < std::pair(b.manifest.moment_ms, b.id);
    });
    return out;
}

Chosen choose(const std::vector<Snapshot>& snapshots, const Choice& choice) {
    if (choice.at_ms) {
        const int64_t at_ms = *choice.at_ms;
        const auto in_time = [&](const Snapshot& s) { return s.manifest.moment_ms <= at_ms; };
        return newest(
            snapshots, 0, [&](const Snapshot& s) { return in_time(s) && complete(s); },
            [&](const Snapshot& s) { return in_time(s) ? why_partial(s) : std::string(); },
            "complete snapshot of " + local_time(at_ms) + " or before");
    }
    if (choice.which == "golden") {
        return newest(
            snapshots, 0, [](const Snapshot& s) { return s.golden(); },
            [](const Snapshot& s) {
                if (!complete(s)) return why_partial(s);
                if (s.suspect()) return s.short_id() + " is suspect: damage was found in it";
                return s.short_id() + (s.last(AttestationKind::golden) ? " is not golden since damage was found in it"
                                                                       : " was never made golden");
            },
            "golden snapshot");
    }
    if (const std::optional<uint64_t> back = steps_back(choice.which)) {
        return newest(snapshots, *back, complete, why_partial, *back == 0 ? "complete snapshot" : "snapshot " + choice.which);
    }
    if (is_id_prefix(choice.which)) return by_id(snapshots, choice.which);
    throw Error(Code::usage, fmt::format("\"{}\" names no snapshot", printable(choice.which)),
                "write golden, latest, latest~2, or at least 4 digits of an id from `ingot list`");
}

}  // namespace ingot
