// What the config says of a `postgres` source, as values (docs/drivers/postgres.md lists the keys).
//
// Secrets are looked up when the source is first reached, not when the config is read: `ingot config validate` needs none.
// Thread safety: values. Errors: Error{usage}; address() Error{code}.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "drivers/driver.h"
#include "drivers/postgres_address.h"

namespace ingot {

struct PgSettings {
    std::string source;
    std::string url, url_env;  // one of them
    std::string database;      // empty: the one that the address names
    std::string tools_url;     // empty: the address that Ingot itself uses
    std::string password_env;
    std::string password_file;         // a path, or a name in $CREDENTIALS_DIRECTORY
    std::vector<std::string> tools;    // put before the tools: "docker", "exec", "-i", "db"
    std::string maintenance_database;  // to be connected to while the database itself is renamed
    bool role_passwords = false;
    bool in_place = false;
    bool wait_for_dump = false;  // pin() returns only when pg_dump has its locks too
    // Where a drill loads it: into a database of the live server, or a server of its own; automatic: the latter where the former
    // cannot be reached, or is a standby.
    enum class Scratch { automatic, database, server, files } scratch = Scratch::automatic;
    int64_t timeout_ms = 0;
    int64_t idle_timeout_ms = 0;
    std::map<std::string, std::string> facts;

    PgAddress address(Code code) const;
    // How the tools reach the same database, in the same cluster.
    PgAddress tools_address(Code code) const;
};

PgSettings pg_settings(const SourceSpec& spec);

// Words of a command line: separated by blanks, kept together by quotes. Throws Error{usage} for a quote that is not closed.
std::vector<std::string> words_of(const std::string& text, const std::string& what);

}  // namespace ingot
