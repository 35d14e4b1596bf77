// Checks a parsed config against the keys there are, and takes its values. Goes on after a mistake, and reports them all.
//
// Thread safety: none needed. Errors: throws nothing; mistakes are in the reading.
#pragma once

#include "cli/config.h"

namespace ingot {

// Fills reading.config from reading.config.document.
void check_config(ConfigReading& reading, bool repository_given);

}  // namespace ingot
