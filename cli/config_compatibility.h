// [compatibility] of a config: where the matrix is, and how versions beside the application's are told.
//
// Thread safety: none needed. Errors: throws nothing; mistakes are added.
#pragma once

#include <vector>

#include "cli/config.h"

namespace ingot {

// After check_sources(): a query becomes a fact of its source, so that a snapshot reads it from inside the pin.
void check_compatibility(Config& config, std::vector<Mistake>& mistakes);

}  // namespace ingot
