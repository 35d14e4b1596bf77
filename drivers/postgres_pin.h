// A pinned PostgreSQL database: the transaction that holds the locks and the snapshot, and the dump that reads it.
//
// Thread safety and errors: as any Pin.
#pragma once

#include <memory>

#include "drivers/driver.h"
#include "drivers/postgres_connection.h"
#include "drivers/postgres_settings.h"
#include "drivers/postgres_tools.h"

namespace ingot {

// The files of a source, in listing order.
struct PgFiles {
    explicit PgFiles(const std::string& source)
        : database(source + ".database"), dump(source + ".dump"), globals(source + ".globals.sql") {}
    std::string database, dump, globals;
};

std::unique_ptr<Pin> make_pg_pin(const PgSettings& settings, const PgTools& tools, std::unique_ptr<PgConnection> session,
                                 const std::string& spool_dir);

}  // namespace ingot
