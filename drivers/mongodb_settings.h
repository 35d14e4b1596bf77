// What the config says of a `mongodb` source, as values (docs/drivers/mongodb.md lists the keys), and where its address is found.
//
// The address holds the password and is asked for each time a connection is made: from `uri_env` (an environment variable, else a
// systemd credential of that name) or from `uri`. A password may be apart from it, in `password_env` or `password_file`.
//
// Thread safety: values. Errors: Error{usage} for what cannot work; none quotes a secret.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/secret.h"
#include "drivers/driver.h"
#include "drivers/mongodb_bson.h"

namespace ingot {

struct MongoSettings {
    // A fact: how many documents of a collection match.
    struct Count {
        std::string database;  // empty: the only one of the source
        std::string collection;
        Bson filter;
    };

    std::string source;
    std::string uri;  // may hold a password: never shown
    std::string uri_env;
    std::string password_env;
    std::string password_file;           // absolute
    std::vector<std::string> databases;  // empty: the address's, else all but the server's own
    std::vector<std::string> exclude;    // patterns of "database/collection"
    bool scratch_database = true;        // a drill loads it into databases of its own
    // Of a ScratchTarget's source only: a database of the source -> the one that stands for it.
    std::map<std::string, std::string> stands_for;
    bool writers_paused = false;   // without snapshots: all is read while the writers are paused
    int64_t timeout_ms = 0;        // the longest wait for an answer
    int64_t index_timeout_ms = 0;  // the longest that building indexes may take
    std::map<std::string, Count> facts;

    // "mongodb://host:port/db", without user and options; safe to show.
    std::string shown() const;
    Secret address(Code code) const;
    // Empty where it is part of the address, or none is needed.
    Secret password(Code code) const;
};

MongoSettings mongo_settings(const SourceSpec& spec);

// An option that no config has: stands_for, a line for each, the two names separated by a tab.
inline constexpr const char* kMongoStandsFor = "stands_for";
// What a drill makes: "ingot_drill_0123456789abcdef_0", numbered, because a database's name has 63 bytes at most.
inline constexpr std::string_view kMongoDrill = "ingot_drill_";

// "COLLECTION", "DATABASE/COLLECTION", and a filter in JSON after a blank: as a fact says it, and a probe asks. `code`: of the
// Error for what cannot be read.
MongoSettings::Count mongo_count(const std::string& text, Code code);

// An address without what is secret in it: "mongodb://rag@db1,db2/ragdb".
std::string shown_mongo_uri(std::string_view uri);
// `text` with every place blotted out where the password of that address stands.
std::string without_password(std::string text, std::string_view uri, std::string_view password);

}  // namespace ingot
