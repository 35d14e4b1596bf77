// A command run in the foreground on somebody's behalf: his terminal, his signals.
//
// It gets this process's three descriptors, environment and folder, a process group of its own, and the terminal's foreground
// where there is one. SIGINT, SIGTERM and SIGHUP that come to this process meanwhile go to that whole group, and are not taken as
// an interruption of this process.
//
// Thread safety: one thread, one at a time. Errors: Error{failed} where no process can be made.
#pragma once

#include <string>
#include <vector>

namespace ingot {

// Its exit status, or 128 + signal; 127 where it is not found, 126 where it cannot be run.
int run_in_foreground(const std::vector<std::string>& argv);

}  // namespace ingot
