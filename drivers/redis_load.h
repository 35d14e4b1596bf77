// Loading a dump into databases of a running server, by RESTORE: whole or not at all is the caller's business, who loads beside
// what is live.
//
// Thread safety: one thread. Errors: Error{failed} where the server says no; Error{damaged} for the dump.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "drivers/rdb_canonical.h"
#include "drivers/redis_connection.h"

namespace ingot {

// What is to be known of a dump before it is loaded.
struct RedisDumpLook {
    RdbRead read;
    std::map<uint32_t, RdbDbCount> dbs;
    std::map<std::string, std::string> fields;
    std::vector<std::string> functions;  // code of each library
    uint64_t largest_value = 0;
};

// Throws Error{failed} where it could not be read to its end.
RedisDumpLook look_at_dump(const RdbBytes& dump);

// Every key of database d goes into spares.at(d). Returns how many RESTOREs the server took.
uint64_t load_dump(RedisConnection& connection, const RdbBytes& dump, const RdbBytes& eviction, int version,
                   const std::map<uint32_t, uint32_t>& spares);

// FUNCTION DUMP's form, both ways. Libraries come sorted. Throws Error{damaged}.
std::string function_payload(const std::vector<std::string>& libraries, int version);
std::vector<std::string> libraries_in(std::string_view payload);
// The RDB version at a payload's end: the newest that its server takes.
int version_of_payload(std::string_view payload);

}  // namespace ingot
