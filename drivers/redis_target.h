// Putting a `redis` source back: loaded into spare databases beside the live ones, then swapped by SWAPDB in one MULTI.
//
// In every spare database that is ours lies one key more, the marker `ingot:restore:ID`, which says what the database holds:
// "loading", "new" (staged, whole) or "old" (the state that was live before the swap). It changes in the same transaction as the
// swap, so that after any crash, of Ingot or of the server, the server itself tells on which side of the swap it is.
//
// work_dir holds, each durable before the next step may run:
//   plan       which spare database stands beside which live one; before anything is written to the server
//   functions.new  the snapshot's libraries of functions, as FUNCTION RESTORE takes them; with the plan
//   functions  the libraries of functions that are live, as FUNCTION DUMP gives them; not there where none are swapped
//   undo       prepare_undo() is done
//   begun      the transaction may have run
//
// Undo swaps back: the old state waits in the spare databases, until discard() empties them. swap(), undo() and discard() return
// once the server holds the result durably (drivers/redis_persist.h).
// Thread safety: one thread. Errors: as EngineTarget.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "drivers/driver.h"
#include "drivers/redis_settings.h"

namespace ingot {

std::unique_ptr<EngineTarget> make_redis_target(TargetSpec target, const RedisSettings& settings, const SourceSpec& source,
                                                const std::string& root);

// Of a source that old_state() describes: the databases it is in, and the numbers they had; and the key that is not part of it.
// Empty of any other.
std::map<uint32_t, uint32_t> redis_databases(const SourceSpec& spec);
std::string redis_marker_of(const SourceSpec& spec);

}  // namespace ingot
