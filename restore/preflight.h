// What a restore asks before it stages anything: which sources, whether each has a place to go, and whether there is room.
//
// Thread safety: one thread. Errors: Error{usage} for sources that do not exist; Error{failed} naming what is in the way.
#pragma once

#include <string>
#include <vector>

#include "restore/restore.h"
#include "restore/target.h"

namespace ingot {

// The snapshot's sources that are to be restored: those of `only`, or all of them. One that the snapshot does not hold cannot be.
// With `into_live`, sources that were stored in part only are refused.
std::vector<const ManifestSource*> wanted_sources(const Snapshot& snapshot, const std::vector<std::string>& only, bool into_live);

// The driver that puts the source back. Its paths in the config must be those of the snapshot.
Driver& require_driver(const Stack& stack, const ManifestSource& source);

// Is there room for all of it? Folders on one file system are counted together.
void require_space(const std::vector<SpaceNeed>& needs);

// Throws Error{usage} where `folder`, which was given with `flag`, lies in a live root of the stack.
void require_apart(const std::string& folder, const Stack& stack, const char* flag);

// Does `folder`, or the nearest one above it that exists, lie on the file system of `other`?
bool on_file_system_of(const std::string& other, std::string folder);

}  // namespace ingot
