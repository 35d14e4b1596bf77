// [services] and [sources.X.hooks] of the config.
//
// Thread safety: none needed. Errors: throws nothing; mistakes are added to the list.
#pragma once

#include <vector>

#include "cli/config.h"

namespace ingot {

void check_services(Config& config, std::vector<Mistake>& mistakes);

// The table `hooks` of a source; called while its other keys are checked.
void check_source_hooks(Config& config, std::vector<Mistake>& mistakes, const std::string& source, const ConfigNode& hooks);

}  // namespace ingot
