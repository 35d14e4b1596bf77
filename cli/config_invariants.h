// The [[invariants]] of a config: name, left and right of each, the last two as "source.fact".
//
// Thread safety: none needed. Errors: throws nothing; mistakes are added to the list.
#pragma once

#include <vector>

#include "cli/config.h"

namespace ingot {

// Fills config.invariants from config.document; config.sources are known by then. A source that is not declared is a mistake, and
// so is a fact that the source's driver is known not to give. Where that is known at the snapshot only, the snapshot says so.
void check_invariants(Config& config, std::vector<Mistake>& mistakes);

}  // namespace ingot
