// Putting a PostgreSQL database back in place (restore_mode = "in_place"): pg_restore --clean in one transaction, into the live
// database. For servers without room for a second copy. Readers and writers wait for its locks, and objects that are not in the
// dump stay; the default (drivers/postgres_target.h) has neither fault.
//
// work_dir holds, each durable before the next step may run:
//   NAME.dump, NAME.database   the live database, as pg_dump saw it in prepare_undo()
//   undo                       "ingot-postgres-in-place 1\n": prepare_undo() is done
//   begun                      pg_restore may have run
//
// Thread safety: one thread. Errors: as EngineTarget.
#pragma once

#include <memory>

#include "drivers/driver.h"
#include "drivers/postgres_settings.h"

namespace ingot {

std::unique_ptr<EngineTarget> make_pg_in_place_target(TargetSpec target, PgSettings settings);

}  // namespace ingot
