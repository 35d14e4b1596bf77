// The [sources.NAME] tables of a config: each one's driver says which keys it takes (drivers/registry.h).
//
// Thread safety: none needed. Errors: throws nothing; mistakes are added to the list.
#pragma once

#include <vector>

#include "cli/config.h"

namespace ingot {

// Fills config.sources from config.document; config.root is known by then.
void check_sources(Config& config, std::vector<Mistake>& mistakes);

}  // namespace ingot
