// Keeping what a restore replaced (`restore --keep-replaced DIR`): after `proven`, and before the old state would be deleted,
// each entry that was replaced or removed is moved to <kept folder>/<source>/<listing path>, with owner, mode and times.
//
// Moved by a rename where the kept folder is on the same mount, else copied, synced, and then removed where it lay. A name that
// is taken is never written over: the next one is "name~2". The kept folder is new for each restore, mode 0700, and may hold
// secrets. Of trees it holds entries, not changes of metadata alone; of engines the raw copies of their files.
//
// Idempotent, also when it is killed: what lies there already is not in the stage any more. Everything that was moved is durable
// when it returns. Thread safety: one thread. Errors: Error{failed}: then the rest of the old state stays where it lies.
#pragma once

#include <string>

#include "base/filesystem.h"
#include "restore/journal.h"
#include "snapshot/stack.h"

namespace ingot {

// "<dir>/20261119T080000Z-<restore id>"
std::string kept_folder_name(const std::string& dir, const Journal& journal);

// Makes it, durably; Error{failed} where DIR cannot be written.
void make_kept_folder(FileSystem& fs, const std::string& kept_dir);
// Removes it again, where nothing is in it.
void drop_empty_kept_folder(FileSystem& fs, const std::string& kept_dir);

void keep_replaced(FileSystem& fs, const Stack& stack, const std::string& kept_dir, const JournalTarget& target);

}  // namespace ingot
