// Putting a `redis` source back while its server is stopped: its files are set aside, and those of the snapshot put in their
// place. For a server that does not start because its data is dead, too: nothing of the old files is read.
//
//   DATA_DIR/.ingot-redis-ID/new/NAME    staged: what the server will load when it is started
//   DATA_DIR/.ingot-redis-ID/old/NAME    what it would have loaded
//   work_dir/files                       this restore goes by files; before anything is written to DATA_DIR
//   work_dir/files-plan                  which files were live, with their inodes; before the first is moved
//
// Every move is one rename within DATA_DIR. What was moved is seen by inodes, so undo() needs the plan alone, also after the
// server was started upon the new files and wrote its own. A server that answers is never undercut: Error{failed}.
//
// A dump becomes `dump.rdb` and, where the server had an append-only file, the base of a new one: whichever it loads holds the
// same. The files of a stopped server are put back as they were stored.
//
// Thread safety: one thread. Errors: as EngineTarget.
#pragma once

#include <memory>
#include <string>

#include "drivers/driver.h"
#include "drivers/redis_settings.h"

namespace ingot {

std::unique_ptr<EngineTarget> make_redis_files_target(TargetSpec target, const RedisSettings& settings, const std::string& root);

// Did the restore that this is the target of begin by files?
bool restores_by_redis_files(const TargetSpec& target);

}  // namespace ingot
