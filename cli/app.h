// The command line of Ingot, as a function: the binary calls it with the operating system's file system, the tests' binary with
// one that fails where it is told to.
//
// Results go to standard output, everything else to standard error. Returns the exit status (docs/cli.md, "Exit codes").
// Thread safety: one call at a time. Errors: throws nothing.
#pragma once

#include "base/filesystem.h"

namespace ingot {

int run_ingot(int argc, char** argv, FileSystem& fs);

}  // namespace ingot
