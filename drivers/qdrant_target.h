// Puts collections of Qdrant back: each is loaded into a new collection beside the live one, then names are switched to those.
//
//   work_dir/names   the new collections, before the first is made     work_dir/plan   which names lead where, before and after
//   work_dir/staged  they are loaded and counted                       work_dir/old/   of a switch by name: the old collection
//
// The server's own names say on which side of the switch it is: there is nothing to remember that a crash could falsify.
//
// Thread safety, errors: as any EngineTarget.
#pragma once

#include <memory>

#include "drivers/driver.h"
#include "drivers/qdrant_settings.h"

namespace ingot {

std::unique_ptr<EngineTarget> make_qdrant_target(const TargetSpec& target, const QdrantSettings& settings,
                                                 const SourceSpec& source);

}  // namespace ingot
