// The version of the application: the first line that [stack] `version` prints, without the blanks around it.
//
// Thread safety: any thread. Errors: Error{failed} where the command fails.
#pragma once

#include <string>

#include "snapshot/stack.h"

namespace ingot {

// `git describe` takes milliseconds, a container that is asked some seconds.
inline constexpr int64_t kVersionLimitMs = 10'000;

// The first line that a shell command prints, without the blanks around it. `what` names it in errors.
std::string first_line_of(const std::string& line, const std::string& folder, const std::string& what, int64_t limit_ms);

// Empty where no command is configured.
std::string application_version(const Stack& stack, int64_t limit_ms = kVersionLimitMs);

}  // namespace ingot
