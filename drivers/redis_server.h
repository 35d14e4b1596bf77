// What a server is, and whether a dump can be put into it: asked before anything is changed.
//
// Thread safety: one thread. Errors: those of the connection.
#pragma once

#include <cstdint>
#include <set>

#include "drivers/redis_connection.h"

namespace ingot {

// Throws for a replica, a cluster's node, a server that is loading, and one that has not the commands of a restore.
void require_restorable(RedisConnection& connection);
// RESTORE takes the RDB version of its server and older ones. `then` and `now` are these; 0: not recorded.
EngineMatch match_rdb_versions(int64_t recorded, int64_t newest);

// The newest RDB version that its RESTORE takes.
int redis_rdb_version(RedisConnection& connection);
// Throws where `bytes` more do not fit below maxmemory.
void require_memory(RedisConnection& connection, uint64_t bytes);
uint32_t redis_database_count(RedisConnection& connection);
// Databases with keys.
std::set<uint32_t> redis_used_databases(RedisConnection& connection);

}  // namespace ingot
