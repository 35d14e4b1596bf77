// The driver of MongoDB databases (docs/drivers/mongodb.md): all collections and views of some databases of one server.
//
// Pin: a snapshot session (drivers/mongodb_pin.h). A restore loads the collections beside the live ones, and renames both.
//
// Entries: the folder "SOURCE.mongodb" (drivers/mongodb_files.h).
// Thread safety: as any Driver. Errors: as any Driver.
#pragma once

#include <memory>
#include <optional>

#include "drivers/driver.h"
#include "drivers/mongodb_connection.h"

namespace ingot {

class MongoDriver : public Driver {
public:
    // Throws Error{usage}.
    explicit MongoDriver(SourceSpec spec);
    ~MongoDriver() override;

    // Connects and logs in; there is something to take, and nothing that cannot be taken.
    void prepare() override;
    std::unique_ptr<Pin> pin() override;
    std::vector<SourceRoot> roots() const override;
    bool lives_at_roots() const override { return false; }
    // Reads every document to its last field. Needs no server.
    Facts open_artifact(const std::string& dir) override;
    // "COLLECTION", "DATABASE/COLLECTION", with a filter in JSON after a blank: how many documents match.
    Fact ask_live(const std::string& question) override;
    std::optional<EngineMatch> match_engine(const Facts& then) override;
    std::unique_ptr<EngineTarget> engine_target(const TargetSpec& target) override;
    // Databases of its own on the live server (drivers/mongodb_scratch.h).
    std::unique_ptr<ScratchTarget> scratch_target(const ScratchSpec& scratch) override;

private:
    MongoSettings settings_;
    std::optional<std::string> old_of_;
    std::unique_ptr<MongoConnection> warm_;  // from prepare() until pin()
};

}  // namespace ingot
