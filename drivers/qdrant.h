// The driver of Qdrant servers (docs/drivers/qdrant.md): collections of one node.
//
// Pin: every shard's segments are frozen by the server, which streams them (drivers/qdrant_download.h); before Qdrant 1.12 the
// server makes a snapshot of each collection while the pin waits. A restore loads new collections and switches aliases to them.
//
// Entries: drivers/qdrant_record.h. Thread safety: as any Driver. Errors: as any Driver.
#pragma once

#include "drivers/driver.h"
#include "drivers/qdrant_settings.h"

namespace ingot {

class QdrantDriver : public Driver {
public:
    // Throws Error{usage}.
    explicit QdrantDriver(SourceSpec spec);

    // Connects; the collections are there and well.
    void prepare() override;
    std::unique_ptr<Pin> pin() override;
    std::vector<SourceRoot> roots() const override;
    bool lives_at_roots() const override { return false; }
    // Every archive is walked to its end, nested ones too. Needs no server.
    Facts open_artifact(const std::string& dir) override;
    // "COLLECTION" or "COLLECTION {filter}": how many points there are, or match.
    Fact ask_live(const std::string& question) override;
    std::optional<EngineMatch> match_engine(const Facts& then) override;
    // Exact: no index of the server is asked, so that the answer is the points' alone. Snapshots are archives, which only a
    // scratch target can search.
    std::vector<TopKQuery> top_k_live(const TopKRequest& request) override;
    std::unique_ptr<EngineTarget> engine_target(const TargetSpec& target) override;
    // Collections of its own on the live server (drivers/qdrant_scratch.h).
    std::unique_ptr<ScratchTarget> scratch_target(const ScratchSpec& scratch) override;

private:
    QdrantSettings settings_;
};

}  // namespace ingot
