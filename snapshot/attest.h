// Proving a snapshot: read it back, open its artifacts with their engines, and record what was found.
//
// Golden needs (I3): every chunk read back and re-hashed since it was stored (new packs past the page cache, old ones at most
// golden_max_age ago), every artifact opened, every source stored (or accepted), and the consistency the config asks for.
//
// Thread safety: one thread. Errors: Error{damaged} only when the snapshot's own listings cannot be read; else findings.
#pragma once

#include <string>
#include <vector>

#include "base/progress.h"
#include "snapshot/catalog.h"
#include "store/repository.h"

namespace ingot {

// Reads one snapshot back. Findings name the source and path they concern.
VerifyReport verify_snapshots(Repository& repository, const std::vector<const Snapshot*>& snapshots, int64_t max_age_ms,
                              double sample, Progress& progress);

struct GoldenVerdict {
    bool golden = false;
    std::vector<std::string> reasons;  // why not
    Attestation attestation;           // to be filed where golden
    VerifyReport verified;
};

// What golden asks of this snapshot, checked. `drivers` opens artifacts (Stack::sources by name).
GoldenVerdict prove_golden(Repository& repository, const Snapshot& snapshot, const Stack& stack,
                           const std::vector<std::string>& accepted, Progress& progress);

// Is a source much smaller than in the last golden snapshot (coverage contract)? Empty: no; else one sentence.
std::string shrunk_since(const ManifestSource& now, const std::vector<Snapshot>& snapshots, double min_ratio);

// Commits an attestation as a record of its own.
RecordId file_attestation(Repository& repository, const Attestation& attestation);

}  // namespace ingot
