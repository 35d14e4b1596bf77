// Old states that were set aside: a proven restore whose old state could not be stored or removed stops being in the way of the
// next one, and is seen to later.
//
//   <state dir>/<stack>.left-<restore id>     its journal; what that names stays where it lies
//
// Thread safety: one thread, under the restore lock. Errors: set_proven_aside: those of the journal; finish_left_aside: none,
// they are told in the result.
#pragma once

#include <string>
#include <vector>

#include "restore/journal.h"
#include "restore/restore.h"

namespace ingot {

// Durable when it returns: the journal's new path. Empty: no proven restore is unfinished.
std::string set_proven_aside(FileSystem& fs, const Stack& stack);

// The paths of what was set aside, oldest name first.
std::vector<std::string> left_aside(FileSystem& fs, const std::string& state_dir, const std::string& stack);

// Stores each old state that was set aside (`keep_old`; null: it is deleted), and removes it. What was the last restore stays the
// last. Told in result.left_finished; what cannot be done stays, and is told in result.problems. `file` holds the restore lock.
void finish_left_aside(FileSystem& fs, const Stack& stack, const JournalFile& file, const KeepOldState& keep_old,
                       RestoreResult& result);

}  // namespace ingot
