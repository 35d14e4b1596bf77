// How a restore's old state gets into the repository: opened for adding when everything else is done, and never waited for long.
//
// Lifetime: the invocation outlives what is returned. Errors of the returned function: those of the repository.
#pragma once

#include "cli/invocation.h"
#include "restore/restore.h"

namespace ingot {

KeepOldState keep_old_by(Invocation& run);

}  // namespace ingot
