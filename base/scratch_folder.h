// A scratch folder: gone when it is destroyed, and swept up by a later process when its own was killed.
//
// It is locked (flock on the folder) while it lives, so that a sweep never takes one that is in use, whatever became of process
// ids. Mode 0700: what lies in it may be secret.
// Thread safety: one thread. Errors: Error{failed}.
#pragma once

#include <string>

#include "base/filesystem.h"

namespace ingot {

class ScratchFolder {
public:
    // "<parent>/scratch-XXXXXX"; the parent must exist.
    ScratchFolder(FileSystem& fs, const std::string& parent);
    ScratchFolder(const ScratchFolder&) = delete;
    ScratchFolder& operator=(const ScratchFolder&) = delete;
    ~ScratchFolder();

    const std::string& path() const { return path_; }

private:
    FileSystem& fs_;
    std::string path_;
    int fd_ = -1;
};

// Removes what killed processes left below `parent`.
void sweep_scratch_folders(FileSystem& fs, const std::string& parent);

}  // namespace ingot
