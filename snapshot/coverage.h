// The coverage contract: exit 0 means that everything declared is there, and is not a shadow of itself.  (I11)
//
// Thread safety: pure functions.
#pragma once

#include <string>
#include <vector>

#include "snapshot/catalog.h"

namespace ingot {

// Sets the status of a source that was stored to `empty` or `shrunk`, with its problem, where it is.
// `only_roots`: it has no entry beside its roots.
void check_coverage(ManifestSource& source, bool only_roots, const std::vector<Snapshot>& snapshots, double min_ratio);

// Is a source much smaller than in the last snapshot whose size of it counts: a golden one, or one for which the size was
// accepted by an attestation? Empty: no; else one sentence.
std::string shrunk_since(const ManifestSource& now, const std::vector<Snapshot>& snapshots, double min_ratio);

}  // namespace ingot
