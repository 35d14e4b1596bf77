// The driver of SQLite databases (docs/drivers/sqlite.md).
//
// Pin: one connection with an open read transaction. In WAL mode writers go on, and the pinned state is copied into a spool at
// the first open(); with a rollback journal the transaction keeps writers from committing, so the copy is made within pin() and
// the lock released before it returns.
//
// Thread safety: as any Driver. Errors: as any Driver.
#pragma once

#include "drivers/driver.h"
#include "drivers/sqlite_connection.h"

namespace ingot {

class SqliteDriver : public Driver {
public:
    // Throws Error{usage} unless there is exactly one path.
    explicit SqliteDriver(SourceSpec spec);
    ~SqliteDriver() override;

    void prepare() override;
    std::unique_ptr<Pin> pin() override;
    std::vector<SourceRoot> roots() const override;
    // integrity_check, foreign_key_check, and the facts again.
    Facts open_artifact(const std::string& dir) override;
    // One SELECT of one value.
    Fact ask_live(const std::string& question) override;
    std::unique_ptr<EngineTarget> engine_target(const TargetSpec& target) override;

private:
    std::unique_ptr<SqliteConnection> connect() const;

    SourceRoot root_;
    std::unique_ptr<SqliteConnection> warm_;  // from prepare() until pin()
};

}  // namespace ingot
