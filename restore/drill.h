// A drill: a snapshot restored to scratch and proven there. Nothing live is touched, or asked.
//
// Everything is written below a scratch folder, each chunk re-hashed; every source is opened there by its driver, and loaded into
// a scratch engine where its kind has one (a database, a server, a collection of its own); facts and invariants are compared from
// what the engines found; probes that ask a source are put to the restored one, where something can answer for it. The rest of
// the probes need the running stack, and are counted as not asked. The scratch is removed at the end, on every way out.
//
// Thread safety: one thread. Errors: Error{usage} where the scratch and something live are the same place; Error{failed} (space,
// rights); Error{damaged} naming files that are lost. What does not open, hold or answer is in the result.
#pragma once

#include <string>
#include <vector>

#include "base/filesystem.h"
#include "base/progress.h"
#include "snapshot/catalog.h"
#include "snapshot/stack.h"
#include "store/repository.h"

namespace ingot {

struct DrillResult {
    std::vector<std::string> damaged;   // sources that their engine rejects, one line each
    std::vector<std::string> problems;  // facts, invariants, probes, sources that nothing can open or load
    std::vector<std::string> left;      // what could not be removed from an engine, of this drill or of one that died
    Attestation attestation;            // `drilled`; to be filed where passed()
    uint64_t entries = 0;
    uint64_t bytes = 0;
    uint64_t scratch_engines = 0;  // sources that were loaded into one
    uint64_t probes_passed = 0;
    uint64_t probes_not_asked = 0;
    int64_t duration_ms = 0;

    bool passed() const { return damaged.empty() && problems.empty(); }
};

// `scratch_parent`: a folder that is there; the scratch folder is made in it.
DrillResult drill(Repository& repository, const Snapshot& snapshot, const Stack& stack, FileSystem& fs,
                  const std::string& scratch_parent, Progress& progress);

}  // namespace ingot
