// Restoring to another place: DIR/<source>/<listing path>, and nothing live is touched.
//
// Written into a folder beside the place and renamed there once it is complete, so that DIR is never half full; where DIR exists
// already (empty, perhaps a mount point) the folder lies inside it, and each source is renamed out of it.
// Files whose bytes are lost are left out, never filled with zeros, and named by the Error{damaged} at the end; the rest is
// there.
#pragma once

#include "restore/restore.h"

namespace ingot {

RestoreResult write_to_folder(Repository& repository, const Snapshot& snapshot, FileSystem& fs, const RestoreOptions& options,
                              Progress& progress);

}  // namespace ingot
