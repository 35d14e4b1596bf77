// [notify] and [metrics] of the config.
//
// Thread safety: none needed. Errors: throws nothing; mistakes are added to the list, and quote no url.
#pragma once

#include <vector>

#include "cli/config.h"

namespace ingot {

void check_notify(Config& config, std::vector<Mistake>& mistakes);
void check_metrics(Config& config, std::vector<Mistake>& mistakes);

}  // namespace ingot
