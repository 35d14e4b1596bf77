// What the server holds now is there after a crash of it, and of the machine.
//
// With an AOF: at once where appendfsync is "always"; else by WAITAOF (7.2), or by a rewrite of the AOF, whose end is synced.
// Without: by a BGSAVE that ended well. A swap alone is not durable: killed after it, the server comes back with the old data.
//
// Thread safety: one thread. Errors: those of the connection.
#pragma once

#include "drivers/redis_connection.h"

namespace ingot {

// Throws where it does not end well, or takes longer than `limit_ms`.
void make_redis_durable(RedisConnection& connection, int64_t limit_ms);

}  // namespace ingot
