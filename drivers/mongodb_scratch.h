// Databases for a drill, on the live server: "ingot_drill_<id>_<n>", one for each of the source's, loaded as a restore loads
// them, under the collections' own names.
//
// A snapshot that is taken meanwhile leaves them out. Thread safety: one thread. Errors: as ScratchTarget.
#pragma once

#include <memory>

#include "drivers/driver.h"
#include "drivers/mongodb_settings.h"

namespace ingot {

std::unique_ptr<ScratchTarget> make_mongo_scratch(const ScratchSpec& scratch, const MongoSettings& settings,
                                                  const SourceSpec& spec);

}  // namespace ingot
