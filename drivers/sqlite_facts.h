// What is asked of a SQLite database for evidence: its own numbers, and the queries of the config.
//
// A query is one SELECT that returns one value. It cannot write, attach, change settings or load code (an authorizer refuses),
// nor run longer than 30 s. Thread safety: as the connection. Errors: those of the connection's code, naming the fact.
#pragma once

#include <map>
#include <string>

#include "drivers/driver.h"
#include "drivers/sqlite_connection.h"

namespace ingot {

// page_count, page_size, journal_mode, user_version, application_id, schema_objects; then the queries.
Facts sqlite_facts(SqliteConnection& connection, const std::map<std::string, std::string>& queries);

// PRAGMA integrity_check and foreign_key_check. Throws Error{damaged} that quotes the first messages.
Facts sqlite_check(SqliteConnection& connection);

}  // namespace ingot
