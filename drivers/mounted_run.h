// Runs a program in a mount namespace of its own, with some places bound over others. Nobody else sees those mounts, and they are
// gone when the program ends.
//
// As root, or with CAP_SYS_ADMIN, the namespace is made as it is; else within a user namespace that maps this user alone, where
// the kernel allows one: the program then runs as the user that it would run as anyway.
//
// Thread safety: any thread; between fork and exec the child makes system calls only. Errors: Error{failed} where the program
// cannot be started or outlives its limit; its exit status is a result.
#pragma once

#include <string>
#include <vector>

#include "base/process.h"
#include "drivers/mount_view.h"

namespace ingot {

struct MountedResult {
    // Why no such namespace, or one of the mounts, was to be had: the program was not started. Empty: it ran.
    std::string unavailable;
    CommandResult result;
};

// Of the command: argv (argv[0] a path), folder, limit_ms and output_limit_bytes.
MountedResult run_mounted(const std::vector<Mount>& mounts, const Command& command);

}  // namespace ingot
