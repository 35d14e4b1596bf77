// The drivers of plain files: `files` for trees, `env` for .env files (drivers/tree_pin.h has how they are pinned).
//
// Thread safety: as any Driver. Errors: as any Driver.
#pragma once

#include "drivers/tree_walk.h"

namespace ingot {

class FilesDriver : public Driver {
public:
    // Throws Error{usage} for paths and patterns that cannot work.
    explicit FilesDriver(SourceSpec spec);

    // Throws where none of the paths is there; where some are, the pin throws for each of the others in next().
    void prepare() override;
    std::unique_ptr<Pin> pin() override;
    std::vector<SourceRoot> roots() const override { return rules_.roots; }
    bool excluded(const std::string& listing_path) const override;
    // Nothing to open but what is there: counts files, folders and bytes.
    Facts open_artifact(const std::string& dir) override;
    bool artifact_needs_files() const override { return false; }

protected:
    const TreeRules& rules() const { return rules_; }

private:
    TreeRules rules_;
};

}  // namespace ingot
