// Putting a `command` source back: its restore command gets the staged output, and for undo the output of before.
//
// work_dir holds, each durable before the next step may run:
//   old     what the snapshot command printed before the swap; not there with `undo = "none"`
//   undo    "ingot-command-undo 1\n", u8 kept, u64 size of `old`: prepare_undo() is done
//   begun   the restore command may have run
//
// A restore command that outlived this process (it was killed) holds a lock (flock) on the file that it reads: nothing is fed to
// the source before that is gone.
//
// What "durable", "all" and "the old state" mean is up to the commands: restore must replace, not add, and end when it is done.
// Thread safety: one thread. Errors: as EngineTarget; undo throws Error{failed} where no old output was kept.
#pragma once

#include "drivers/command_settings.h"

namespace ingot {

std::unique_ptr<EngineTarget> make_command_target(TargetSpec target, CommandSettings settings, std::string source);

}  // namespace ingot
