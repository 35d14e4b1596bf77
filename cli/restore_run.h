// Putting the live stack back to one snapshot, and saying how it went: what `restore`, `undo` and `guard` have in common.
//
// Thread safety: one thread. Errors: those of restore() (restore/restore.h).
#pragma once

#include <string>

#include "cli/invocation.h"
#include "cli/pick.h"

namespace ingot {

// Says the choice, asks where it may be asked, restores, prints the result. `arguments.which` and `at` were used for picking.
void restore_snapshot(Invocation& run, Repository& repository, const RestoreArguments& arguments, const Picked& picked,
                      const std::string& reason);

}  // namespace ingot
