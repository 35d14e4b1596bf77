// What pg_dump leaves out of a dump and a restore needs: how the database was made, its settings, grants and comment, and what
// the dump asks of a server (roles, extensions). Read from inside the pin; kept as a text file beside the dump.
//
//   file := "ingot-postgres 1\n" line*        line := key ("\t" value)* "\n"; in values \t, \n and \\ are escaped as here
//
// Thread safety: values. Errors: Error{code} of the connection; decode Error{damaged}.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/filesystem.h"
#include "drivers/postgres_connection.h"

namespace ingot {

struct PgDatabase {
    struct Extension {
        std::string name, version;
    };
    struct Setting {
        std::string role, name, value;  // role: empty for all
    };
    struct Grant {
        std::string role, privilege;  // role: empty for PUBLIC
        bool grantable = false;
    };

    int64_t server_version = 0;
    std::string name, owner, encoding, collate, ctype, tablespace, wal_lsn;
    std::string provider = "c", icu_locale;
    std::optional<std::string> comment;
    int64_t connection_limit = -1;
    int64_t bytes = 0;
    bool has_grants = false;  // false: the default ones
    std::vector<Extension> extensions;
    std::vector<std::string> roles;  // that own something in it, or were granted something
    std::vector<Setting> settings;
    std::vector<Grant> grants;
};

// Of the database that the session is connected to.
PgDatabase read_pg_database(PgConnection& session);

std::string encode_pg_database(const PgDatabase& database);
PgDatabase decode_pg_database(std::string_view text);
PgDatabase read_pg_database_file(FileSystem& fs, const std::string& path);

// Makes an empty database `name` like this one, from template0.
std::string create_statement(const PgConnection& session, const PgDatabase& database, const std::string& name);
// Gives `name` its settings, grants and comment: statements to be run in this order, after the dump was loaded.
std::vector<std::string> property_statements(const PgConnection& session, const PgDatabase& database, const std::string& name);

// "extension vector 0.5.0", "role app": what this server lacks of what the dump needs. Empty: nothing.
std::vector<std::string> missing_on_server(PgConnection& session, const PgDatabase& database);

}  // namespace ingot
