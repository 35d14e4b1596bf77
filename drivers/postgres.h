// The driver of PostgreSQL databases (docs/drivers/postgres.md).
//
// Pin: one transaction, repeatable read and read only, that locks every table against TRUNCATE and rewriting DDL and then exports
// its snapshot; pg_dump reads that snapshot in the background while writers go on.
//
// A source has three files: NAME.dump (pg_dump -Fc), NAME.database (what that leaves out) and NAME.globals.sql (roles).
// Thread safety: as any Driver. Errors: as any Driver.
#pragma once

#include <memory>

#include "drivers/driver.h"
#include "drivers/postgres_connection.h"
#include "drivers/postgres_settings.h"
#include "drivers/postgres_tools.h"

namespace ingot {

class PostgresDriver : public Driver {
public:
    // Throws Error{usage}.
    explicit PostgresDriver(SourceSpec spec);
    ~PostgresDriver() override;

    // Connects; the server's tools are there.
    void prepare() override;
    std::unique_ptr<Pin> pin() override;
    std::vector<SourceRoot> roots() const override;
    bool lives_at_roots() const override { return false; }
    // The dump parses to its end, and pg_restore lists it. Needs no server.
    Facts open_artifact(const std::string& dir) override;
    // One SELECT of one value, in a transaction that cannot write.
    Fact ask_live(const std::string& question) override;
    std::optional<EngineMatch> match_engine(const Facts& then) override;
    std::unique_ptr<EngineTarget> engine_target(const TargetSpec& target) override;
    // A database beside the live one, or in a temporary server (drivers/postgres_scratch.h).
    std::unique_ptr<ScratchTarget> scratch_target(const ScratchSpec& scratch) override;

private:
    PgSettings settings_;
    std::unique_ptr<PgConnection> warm_;  // from prepare() until pin()
    std::unique_ptr<PgTools> tools_;
};

}  // namespace ingot
