// A PostgreSQL database for a drill: "ingot_drill_<id>", made from template0 and loaded by pg_restore as a restore would, in the
// live server, or in a temporary one (drivers/postgres_temporary.h).
//
// The live database is not connected to; its server is, through `maintenance_database`, where the scratch one is made in it.
// Thread safety: one thread. Errors: as ScratchTarget.
#pragma once

#include <memory>

#include "drivers/driver.h"
#include "drivers/postgres_settings.h"

namespace ingot {

std::unique_ptr<ScratchTarget> make_pg_scratch(const ScratchSpec& scratch, const PgSettings& settings, const SourceSpec& spec);

}  // namespace ingot
