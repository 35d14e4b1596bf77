// The driver of .env files: regular files, each declared by itself, whose keys are counted and whose values are never shown.
//
// Facts: `keys` over all files, and `keys:<path>` for each.
// Thread safety: as any Driver. Errors: as any Driver.
#pragma once

#include "drivers/files.h"

namespace ingot {

class EnvDriver : public FilesDriver {
public:
    using FilesDriver::FilesDriver;

    // Throws Error{source} for a symlink or a folder.
    void prepare() override;
    std::unique_ptr<Pin> pin() override;
    // Parses every file.
    Facts open_artifact(const std::string& dir) override;
    // Every value of every file: which of them must go together with other data nobody can tell by its name alone.
    std::vector<LiveSecret> secrets() override;
    bool artifact_needs_files() const override { return true; }
};

}  // namespace ingot
