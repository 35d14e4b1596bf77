// Which snapshot a person means, and which stack.
//
// Thread safety: one thread. Errors: Error{not_found}, Error{usage}.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/invocation.h"
#include "snapshot/catalog.h"

namespace ingot {

// All snapshots of the repository, oldest first.
std::vector<Snapshot> all_snapshots(Invocation& run, Repository& repository);

// The stack that --stack names; else the config's, where the config names this repository, too; else empty: any.
std::string wanted_stack(Invocation& run);

struct Picked {
    Snapshot snapshot;
    std::vector<std::string> skipped;  // newer ones passed over, and why
};

// An id names a snapshot of any stack. `latest`, `golden` and times need one stack: Error{usage} where there are several and
// none is wanted.
Picked pick(const std::vector<Snapshot>& snapshots, const Choice& choice, const std::string& stack);

// For commands that look: `which` among all snapshots.
Snapshot pick(Invocation& run, Repository& repository, const std::string& which);

// "4312", "wal"
std::string fact_text(const Fact& fact);

// The sum of its sources' bytes.
uint64_t bytes_of(const Manifest& manifest);

}  // namespace ingot
