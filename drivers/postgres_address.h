// Where a PostgreSQL database is reached: a libpq address (a "postgresql://" url or "host=... dbname=..."), taken apart so that
// its password is never part of what is shown, logged or put on a command line.
//
// Libpq's own defaults hold for what is not given: PGHOST, PGUSER, PGPASSFILE, ~/.pgpass.
// Thread safety: values. Errors: Error{code}; none quotes the address as it was given, which may hold a password.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/secret.h"

namespace ingot {

class PgAddress {
public:
    PgAddress() = default;
    // `what` is the config's word for it: "`url` of source app".
    static PgAddress parse(std::string_view text, const std::string& what, Code code);

    const std::string& database() const { return database_; }
    PgAddress with_database(const std::string& name) const;
    void set_password(std::string_view password);
    bool has_password() const { return password_ != nullptr; }
    // Empty where there is none. For a connection, or a child's PGPASSWORD.
    std::string password() const;

    // "host='127.0.0.1' dbname='rag'", without a password.
    std::string conninfo() const;
    // "rag on 127.0.0.1:5432", for messages.
    std::string shown() const;
    // A message of libpq or of a tool, in which the password, if it is there, is "***".
    std::string masked(std::string message) const;
    // By a socket or the loopback address: the server's files may be files of this machine.
    bool local() const;

private:
    std::string value(const std::string& key) const;

    std::map<std::string, std::string> values_;  // libpq's keywords, but for dbname and password
    std::string database_;
    std::shared_ptr<const Secret> password_;
};

}  // namespace ingot
