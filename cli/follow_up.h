// What follows a command, once it is done and has told its result: audit records are filed, metrics written, others notified.
//
// None of it changes how the command ended. What cannot be done is a warning; a repository that stays locked
// (Invocation::open_to_file) leaves audit records waiting in the state directory (cli/pending.h).
//
// Thread safety: one thread. Errors: none from what follows; those of the command are handed to `on_error`.
#pragma once

#include <functional>

#include "base/error.h"
#include "cli/invocation.h"

namespace ingot {

using CommandFunction = int (*)(Invocation&);

// Runs the command, then what follows. `on_error` tells the error that ended it, and gives its exit status. Returns the status.
int run_and_follow_up(Invocation& run, CommandFunction command, const std::function<int(const Error&)>& on_error);

}  // namespace ingot
