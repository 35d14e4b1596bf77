// Putting a source's entries into a folder: for opening artifacts, for restores to another place, and as the stage of an engine.
//
// Nothing is written through a symlink or outside the folder (snapshot/beneath.h), and listing paths with "..", "." or NUL
// components are Error{damaged}. Absolute listing paths lose their leading '/'.
// Thread safety: one thread. Errors: Error{failed} (space, rights), Error{damaged}.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/filesystem.h"
#include "base/progress.h"
#include "snapshot/listing.h"
#include "snapshot/manifest.h"
#include "store/repository.h"

namespace ingot {

struct MaterialiseOptions {
    bool metadata = true;  // owner, mode, times, xattrs, links (base/metadata.h)
    bool sync = false;     // fsync each file and folder
    bool salvage = false;  // files whose bytes are lost are left out and named, instead of ending it all
    // Called with each entry first; false leaves it out.
    std::function<bool(const ListedEntry&)> wanted;
};

struct Materialised {
    uint64_t entries = 0;
    uint64_t bytes = 0;
    std::vector<std::string> problems;  // metadata that could not be set: "owner of models/a.bin: ..."
    std::vector<std::string> lost;      // with `salvage`: "models/a.bin: why"
};

// `folder` is made where it is missing.
Materialised materialise(Repository& repository, const ManifestSource& source, FileSystem& fs, const std::string& folder,
                         const MaterialiseOptions& options, Progress& progress);

// Several sources at once, each below `folder`/<its name>: read in pack order over all of them, so that none waits for another.
// Lost files and problems are named "<source>/<path>". `wanted` is not asked.
Materialised materialise_all(Repository& repository, const std::vector<const ManifestSource*>& sources, FileSystem& fs,
                             const std::string& folder, const MaterialiseOptions& options, Progress& progress);

// "models/a.bin" for "models/a.bin", "etc/x" for "/etc/x". Throws Error{damaged} for a path that would leave its folder.
std::string path_below(const std::string& listing_path);

}  // namespace ingot
