// Putting a PostgreSQL database back: loaded into a new database beside the live one, then both renamed in one transaction.
//
//   stage         "<db>__new_<id>" is made from template0 and loaded by pg_restore, whole or not at all
//   prepare_undo  which database (its oid) is live is remembered
//   swap          no new sessions; those there are ended; live -> "<db>__old_<id>", new -> live, in one transaction
//   undo          the other way round; the new one is dropped
//   discard       what lies beside the live one is dropped
//
// What happened is told by oids, which a rename keeps: no state of a crash is guessed. work_dir holds, each durable:
//   undo     "ingot-postgres-undo 1\n", i64 oid of the live database (0: there was none), u8 it allowed connections
//   staged   "ingot-postgres-staged 1\n", i64 oid of the new database: loaded and committed
//
// Thread safety: one thread. Errors: Error{failed}, and as EngineTarget.
#pragma once

#include <memory>
#include <string>

#include "drivers/driver.h"
#include "drivers/postgres_settings.h"

namespace ingot {

// `spec` is what old_state() is derived from.
std::unique_ptr<EngineTarget> make_pg_target(TargetSpec target, PgSettings settings, SourceSpec spec);

// "app__old_0123456789abcdef"; the database's name is cut where both do not fit into a name of PostgreSQL.
std::string pg_name_beside(const std::string& database, const std::string& word, const std::string& restore_id);

}  // namespace ingot
