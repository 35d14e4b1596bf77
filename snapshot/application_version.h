// The version of the application: the first line that [stack] `version` prints, without the blanks around it.
//
// Thread safety: any thread. Errors: Error{failed} where the command fails.
#pragma once

#include <string>

#include "snapshot/stack.h"

namespace ingot {

// Empty where no command is configured.
std::string application_version(const Stack& stack);

}  // namespace ingot
