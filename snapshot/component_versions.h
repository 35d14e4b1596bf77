// Versions of what is stored beside the application: of the schema, of the collection.
//
// Thread safety: any thread. Errors: Error{failed} where a command or an engine does not answer.
#pragma once

#include <string>

#include "snapshot/application_version.h"
#include "snapshot/manifest.h"
#include "snapshot/stack.h"

namespace ingot {

// As it is now: the command's first line, or the live engine's answer.
std::string live_version(const Stack& stack, const VersionSpec& spec, int64_t limit_ms = kVersionLimitMs);

// What the source's facts at the pin say; empty where they do not.
std::string pinned_version(const VersionSpec& spec, const Facts& facts);

}  // namespace ingot
