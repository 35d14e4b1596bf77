// Loading a staged dump into a new database: what the server lacks is named before anything is made.
//
// Thread safety: one thread. Errors: Error{failed}; Error{interrupted} where `interruptible`.
#pragma once

#include <string>
#include <vector>

#include "base/filesystem.h"
#include "drivers/postgres_connection.h"
#include "drivers/postgres_database.h"
#include "drivers/postgres_pin.h"
#include "drivers/postgres_settings.h"

namespace ingot {

// The staged files of a source, below a folder.
struct PgStaged {
    PgStaged(FileSystem& fs, const std::string& dir, const std::string& source);
    PgDatabase database;
    std::string dump_path;
    std::string dumped_by;
};

// A server takes a dump of its major version, or of an older one. Versions as servers say them, or the major alone.
EngineMatch match_pg_versions(const std::string& recorded, const std::string& live, const PgSettings& settings);

// Is this server able to take it? Its version (Error{incompatible}), extensions, and roles.
void require_loadable(PgConnection& session, const PgSettings& settings, const PgStaged& staged);

// Room for `bytes` more where the server's files are files of this machine; nothing is said where they are not. `hint`: what
// else can be done about it.
void require_room(PgConnection& session, const PgSettings& settings, int64_t bytes,
                  const std::string& hint = "say restore_mode = \"in_place\" in the config, which needs less and locks more");

struct PgLoad {
    std::string database;  // that it is loaded into
    int server_major = 0;
    bool interruptible = false;
    int64_t lock_wait_ms = 0;             // given up where it waits for a lock for so long; 0: as long as it takes
    std::vector<std::string> extra = {};  // arguments before the usual ones
};

// pg_restore of the dump, in one transaction. One of an earlier process, which was killed, is ended first.
void load_dump(const PgSettings& settings, const PgStaged& staged, const PgLoad& load);

}  // namespace ingot
