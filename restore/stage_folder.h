// Stage folders: 0700 folders beside live entries, on their mount, in which new entries are made ready and old ones are kept.
//
// They are recorded in the journal before they are made. Making and removing one leaves the times of the folder it lies in as
// they were.
// Thread safety: one thread. Errors: Error{failed}.
#pragma once

#include <string>

#include "base/filesystem.h"

namespace ingot {

void make_stage_folder(FileSystem& fs, const std::string& path);

// Throws Error{failed} where the file system cannot exchange two names in one step (RENAME_EXCHANGE).
void require_exchange(FileSystem& fs, const std::string& stage);

// With all that is in it: never through a symlink, never into something mounted there. Nothing to do where it is not there.
void remove_stage_folder(FileSystem& fs, const std::string& path);

}  // namespace ingot
