// The check before a restore of the live stack: what does not go together is refused or warned of before anybody is asked and
// anything is touched.
//
// Thread safety: one thread. Errors: Error{incompatible}, Error{interrupted}.
#pragma once

#include <string>
#include <vector>

#include "cli/invocation.h"
#include "snapshot/catalog.h"

namespace ingot {

// `allowed`: what the matrix refuses is a warning.
void check_before_restore(Invocation& run, const Repository& repository, const Snapshot& snapshot,
                          const std::vector<std::string>& only, bool allowed);

}  // namespace ingot
