// A temporary Redis (or Valkey) server for a drill: the installed program, in the work folder, on a unix socket and no port,
// started with the artifact's dump. It saves nothing.
//
// It runs as a replica of nobody: a master forgets keys that expired since the snapshot while it loads, a replica keeps them, so
// that all can be counted. The live server is not connected to.
// Thread safety: one thread. Errors: as ScratchTarget; Error{damaged} where the server rejects the dump.
#pragma once

#include <memory>
#include <string>

#include "drivers/driver.h"
#include "drivers/redis_settings.h"

namespace ingot {

// Null where no server is installed, or the artifact holds no dump.
std::unique_ptr<ScratchTarget> make_redis_scratch(const ScratchSpec& scratch, const RedisSettings& settings,
                                                  const SourceSpec& spec, const std::string& root);

}  // namespace ingot
