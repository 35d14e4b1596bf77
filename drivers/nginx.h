// The driver of nginx's config (docs/drivers/nginx.md).
//
// Either the declared paths, or all of it: the folder of the first config file, and what that config names outside of it. Pinned
// as plain files are. nginx itself tests an artifact, in the place of the live files but without touching them, and takes notice
// of restored ones by a reload, which is seen through.
//
// Thread safety: as any Driver. Errors: as any Driver.
#pragma once

#include "drivers/nginx_program.h"
#include "drivers/tree_walk.h"

namespace ingot {

class NginxDriver : public Driver {
public:
    // Throws Error{usage} for paths, patterns and times that cannot work.
    explicit NginxDriver(SourceSpec spec);

    void prepare() override;
    std::unique_ptr<Pin> pin() override;
    std::vector<SourceRoot> roots() const override;
    // With `conf`: a snapshot may hold files that today's config does not name any more; they are roots as well from now on.
    void adopt_roots(const std::vector<std::string>& listing_paths) override;
    bool excluded(const std::string& listing_path) const override;
    // `nginx -t`. Facts: `tested_by`, which says so where nothing could be tested; `warnings`.
    Facts open_artifact(const std::string& dir) override;
    bool open_before_swap() const override { return true; }
    // `nginx -t` of the live files, and a reload where nginx is running.
    void activate() override;

private:
    bool takes_all() const { return spec().paths.empty(); }
    // Of the first config file; where that is a link to a folder, the folder itself.
    std::string folder() const;
    NginxPlaces places() const;
    const NginxProgram* program();
    std::shared_ptr<const TreeRules> find_rules() const;
    const TreeRules& rules() const;
    NginxTrial test(const OverlaidTree& tree, bool list_files);

    std::string conf_;
    std::string program_name_;
    int64_t limit_ms_ = 0;
    bool tests_ = true;
    std::optional<NginxProgram> program_;
    bool asked_ = false;                              // for the program
    std::string why_no_program_;                      // where it is there and does not work
    std::vector<std::string> read_;                   // what nginx itself said it reads
    std::string live_problem_;                        // what nginx says of the live config
    std::vector<std::string> adopted_;                // live paths
    mutable std::shared_ptr<const TreeRules> rules_;  // a pin holds on to those it was made with
};

}  // namespace ingot
