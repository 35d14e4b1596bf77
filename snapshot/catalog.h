// Which snapshots there are, and which one a person means.
//
// Thread safety: one thread. Errors: Error{not_found} with what there is instead; Error{usage} for an ambiguous id.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "snapshot/manifest.h"
#include "store/repository.h"

namespace ingot {

// The tag of snapshots that a restore made of what it replaced (restore/safety.h). Words and times pass them over: the state
// before a restore is what somebody wanted to be rid of.
inline constexpr const char* kSafetyTag = "safety";

struct Snapshot {
    RecordId id;
    Manifest manifest;
    std::vector<Attestation> attestations;  // oldest first

    // Golden: attested so, and not made suspect since.
    bool golden() const;
    // Damage was found, and it was not read back whole since.
    bool suspect() const;
    std::optional<int64_t> last(AttestationKind kind) const;
    // Was this size of the source accepted by a person (`promote --accept`)?
    bool accepted(const std::string& source) const;
    // Every declared source is stored, or what there is of it was accepted.
    bool complete() const;
    // Made by a restore, of what it replaced.
    bool safety() const;
    std::string short_id() const { return id.hex().substr(0, 8); }
};

// All of them, by moment, oldest first. Manifests that cannot be read are left out and named through `warn`.
std::vector<Snapshot> load_snapshots(Repository& repository, const std::string& stack_or_empty,
                                     const std::function<void(const std::string&)>& warn);

struct Choice {
    std::string which;             // "golden", "latest", "latest~2", an id prefix (4 digits or more); empty with `at`
    std::optional<int64_t> at_ms;  // newest complete snapshot whose moment is not later
};

struct Chosen {
    const Snapshot* snapshot;
    std::vector<std::string> skipped;  // newer ones passed over, and why: "3f2a91bc is partial (vectors missing)"
};

// "latest" means the newest complete one, as --at does; an id may name any, also a safety snapshot, which nothing else names.
Chosen choose(const std::vector<Snapshot>& snapshots, const Choice& choice);

}  // namespace ingot
