// Collections for a drill, on the live server: "<collection>__ingot_drill_<id>", loaded as a restore loads them, and no alias.
//
// A snapshot that is taken meanwhile leaves them out. Thread safety: one thread. Errors: as ScratchTarget.
#pragma once

#include <memory>

#include "drivers/driver.h"
#include "drivers/qdrant_settings.h"

namespace ingot {

std::unique_ptr<ScratchTarget> make_qdrant_scratch(const ScratchSpec& scratch, const QdrantSettings& settings,
                                                   const SourceSpec& spec);

}  // namespace ingot
