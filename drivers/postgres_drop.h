// A database of a PostgreSQL server is taken away from its clients, or altogether.
//
// DROP DATABASE is no transaction: the server marks the database first (pg_database.datconnlimit = -2, "invalid"; since 11.21,
// 12.16, 13.12, 14.9, 15.4 and 16), then removes its files. A server that is killed in between keeps a database that may only be
// dropped again: nobody can connect to it, and ALTER DATABASE ends the session that tries
// (https://www.postgresql.org/docs/15/release-15-4.html, commit c66a7d75e652).
//
// Thread safety: as the connection's. Errors: Error{code of the connection}; Error{failed} for a session that does not end.
#pragma once

#include <string>

#include "drivers/postgres_connection.h"

namespace ingot {

// CREATE DATABASE copies template0 and may wait for a checkpoint; DROP DATABASE waits for one.
constexpr int64_t kPgDatabaseMs = 300'000;

enum class PgPresence { none, whole, half_dropped };
PgPresence pg_presence(PgConnection& session, const std::string& database);

// Ends every session of the database but this one, and waits for them until `until_ns` (mono_now_ns()).
void end_pg_sessions(PgConnection& session, const std::string& source, const std::string& database, int64_t until_ns);

// Nothing happens where there is none. `limit_ms` is for locks and sessions; the drop itself may take longer.
void drop_pg_database(PgConnection& session, const std::string& source, const std::string& database, int64_t limit_ms);

}  // namespace ingot
