// A database that its server cannot read, as the files that the server keeps: for whoever looks into it (pg_filedump, a server
// of the same version over a copied cluster). Not a dump, and nothing that could be loaded.
//
// The files are read through the server (pg_ls_dir, pg_stat_file, pg_read_binary_file: a superuser, or a member of
// pg_read_server_files), so that it may be on another host. They lie below its data folder: base/<oid of the database>, and
// pg_tblspc/<oid of the tablespace>/PG_<version>/<oid of the database>
// (https://www.postgresql.org/docs/15/storage-file-layout.html).
//
// Thread safety: one thread. Errors: those of Pin, and those of the connection.
#pragma once

#include <memory>
#include <string>

#include "drivers/driver.h"
#include "drivers/postgres_connection.h"
#include "drivers/postgres_settings.h"

namespace ingot {

// Why the server cannot read the database: each of its tables is counted, and a session that it refuses over its files is a
// reason too. Empty where it can, and where it refuses for another reason. Long. `session` is of another database of that server.
std::string pg_damage(PgConnection& session, const PgSettings& settings, const std::string& database, Code code);

// Nobody may be connected to the database; a checkpoint is waited for first. Entries are below the listing path `below`.
std::unique_ptr<Pin> make_pg_raw_pin(std::unique_ptr<PgConnection> session, const std::string& database,
                                     const std::string& below);

}  // namespace ingot
