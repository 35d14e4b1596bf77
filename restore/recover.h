// Finishing a restore from its journal: what recovery after a crash and the end of a running restore have in common.
//
// Thread safety: one thread, under the restore lock. Needs no repository. Idempotent, also when it is killed.
#pragma once

#include <string>
#include <vector>

#include "restore/journal.h"
#include "restore/restore.h"

namespace ingot {

// Every target whose swap was begun gets its old state back, in reverse; then the journal says that there is nothing to undo.
// Goes on with the other targets after one failed, then throws Error{rollback_incomplete} naming all that is left to do.
// False: the old state is live, but the journal could not be told so: the stages must stay until recovery has told it.
bool undo_all(FileSystem& fs, const Stack& stack, JournalFile& file, Journal& journal);

// Removes stages and work folders, then the journal. What cannot be removed is returned, one line each, and the journal is kept.
std::vector<std::string> clean_all(FileSystem& fs, JournalFile& file, const Journal& journal);

// undo_all, then clean_all where that may be. What is left behind, one line each.
std::vector<std::string> undo_and_clean(FileSystem& fs, const Stack& stack, JournalFile& file, Journal& journal);

}  // namespace ingot
