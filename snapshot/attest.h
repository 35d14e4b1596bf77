// Proving a snapshot: read it back, open its artifacts with their engines, and record what was found.
//
// Golden needs (I3): every chunk read back and re-hashed since it was stored (new packs past the page cache, old ones at most
// golden_max_age ago), every artifact opened, every source stored (or accepted), and the consistency the config asks for.
//
// Thread safety: one thread. Errors: those of the repository; damage is a finding, also that of a snapshot's own listings.
#pragma once

#include <string>
#include <vector>

#include "base/progress.h"
#include "snapshot/catalog.h"
#include "snapshot/coverage.h"
#include "store/repository.h"

namespace ingot {

// Reads snapshots back: their listings, and every file these name. Findings name the source and path they concern, and where
// there are several snapshots the first that holds it.
VerifyReport verify_snapshots(Repository& repository, const std::vector<const Snapshot*>& snapshots, int64_t max_age_ms,
                              double sample, Progress& progress);

// Which of these snapshots need what the report, made of the same ones, found damaged. Damage to stored bytes that none of their
// streams needs concerns none.
std::vector<const Snapshot*> concerned_by(Repository& repository, const std::vector<const Snapshot*>& snapshots,
                                          const VerifyReport& report);

struct GoldenVerdict {
    bool golden = false;
    std::vector<std::string> reasons;  // why not
    Attestation attestation;           // to be filed where golden
    VerifyReport verified;
};

// What golden asks of this snapshot, checked: first what the manifest says, then what must be read, each only where the one
// before was found good. Drivers open artifacts (Stack::sources by name). `accepted`: sources whose new size a person calls
// intended. Throws Error{usage} for an accepted name that the snapshot does not have.
GoldenVerdict prove_golden(Repository& repository, const Snapshot& snapshot, const Stack& stack,
                           const std::vector<std::string>& accepted, Progress& progress);

// What verify found, as a `verified` attestation of the snapshot, or a `suspect` one.
Attestation verified_attestation(const Snapshot& snapshot, const VerifyReport& report);

// Commits an attestation as a record of its own.
RecordId file_attestation(Repository& repository, const Attestation& attestation);

// This machine's name.
std::string host_name();

}  // namespace ingot
