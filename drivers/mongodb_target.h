// Puts collections back by renaming: loaded as "C__ingot_new_ID" beside the live C, which becomes "C__ingot_old_ID" in the swap.
// Only names change then; every rename is in the plan, which is durable before the first of them, and after a crash the names
// that exist say how far it came.
//
// What is live and not in the snapshot is set aside too: it did not exist then. Views have no data; they are dropped and made
// anew from the plan. A collection that an application makes in the middle of it is never dropped: it is kept as
// "C__ingot_late_ID".
//
// Thread safety, errors: as any EngineTarget.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "drivers/driver.h"
#include "drivers/mongodb_settings.h"

namespace ingot {

std::unique_ptr<EngineTarget> make_mongo_target(TargetSpec target, const MongoSettings& settings, SourceSpec source);

// The restore whose set-aside collections a source reads (EngineTarget::old_state); nothing for what is live.
std::optional<std::string> mongo_old_of(const SourceSpec& spec);

}  // namespace ingot
