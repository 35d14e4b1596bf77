// [[probes]] of the config.
//
// Thread safety: none needed. Errors: throws nothing; mistakes are added to the list.
#pragma once

#include <vector>

#include "cli/config.h"

namespace ingot {

// Fills config.probes; config.sources are known by then.
void check_probes(Config& config, std::vector<Mistake>& mistakes);

}  // namespace ingot
