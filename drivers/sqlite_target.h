// A SQLite database put back through SQLite: docs/drivers/sqlite.md, "Restore".
//
// work_dir holds, each durable before it is needed:
//   saved, saved-wal, saved-journal   the live files as prepare_undo() found them, raw (the -shm is never copied)
//   undo                              what existed, with owner and mode; written last: with it, undo is possible
//   begun                             swap() was called: without it, undo() has nothing to take back
//   aside-*                           what was moved out of the way
//
// Steps: restore.sqlite.undo-saved, restore.sqlite.swap-begun, restore.sqlite.swapped, restore.sqlite.undone.
// Thread safety: one thread. Errors: Error{failed}; Error{damaged} for an `undo` file that cannot be read.
#pragma once

#include <memory>

#include "drivers/driver.h"

namespace ingot {

std::unique_ptr<EngineTarget> make_sqlite_target(TargetSpec target, SourceRoot root);

}  // namespace ingot
