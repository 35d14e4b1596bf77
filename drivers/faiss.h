// The driver of FAISS indexes and the docstores beside them (docs/drivers/faiss.md).
//
// Pin: read leases on all files, at one moment; copies where a lease is not to be had. An artifact is opened by FAISS itself, in
// a process of its own. Put back as a tree: the files are exchanged by renames, never written into.
//
// Thread safety: as any Driver. Errors: as any Driver.
#pragma once

#include <optional>

#include "drivers/faiss_child.h"
#include "drivers/faiss_files.h"

namespace ingot {

class FaissDriver : public Driver {
public:
    // Throws Error{usage} unless there is exactly one path, and a docstore_skew that is a duration.
    explicit FaissDriver(SourceSpec spec);

    void prepare() override;
    std::unique_ptr<Pin> pin() override;
    // The declared files; the data files that the live index names, where it can be read; and those that were adopted.
    std::vector<SourceRoot> roots() const override;
    // Data files of lists that a snapshot holds: taken where they lie below the stack's root or beside the index. Elsewhere the
    // live index or the config must name them, so that no snapshot decides by itself what is written to in the whole system.
    void adopt_roots(const std::vector<std::string>& listing_paths) override;
    // The structure, links included; then FAISS. Facts: as of the pin, and `opened_by`.
    Facts open_artifact(const std::string& dir) override;
    // Of the live file, which the application may have newer in its memory.
    std::vector<TopKQuery> top_k_live(const TopKRequest& request) override;
    std::optional<std::vector<TopKQuery>> top_k_artifact(const std::string& dir, const TopKRequest& request) override;

    // The kind of the index, and the FAISS that would open it.
    std::optional<EngineMatch> match_engine(const Facts& then) override;

private:
    const std::vector<SourceRoot>& lists() const;
    std::vector<TopKQuery> search(FaissOpen open, const TopKRequest& request) const;

    FaissFiles files_;
    std::vector<SourceRoot> adopted_;
    mutable std::optional<std::vector<SourceRoot>> lists_;  // as the live index named them when it was looked at last
};

}  // namespace ingot
