// Which databases and collections a `mongodb` source is.
//
// Thread safety: as its connection. Errors: those of the connection; Error{code of it} for what cannot be taken.
#pragma once

#include <string>
#include <vector>

#include "drivers/mongodb_connection.h"

namespace ingot {

struct MongoScope {
    struct Database {
        std::string name;
        std::vector<MongoNamespace> namespaces;  // collections and views, by name
        friend bool operator==(const Database&, const Database&) = default;
    };
    std::vector<Database> databases;
    friend bool operator==(const MongoScope&, const MongoScope&) = default;
};

// Those of `databases`, else of the address, else all but admin, local and config.
std::vector<std::string> mongo_databases(MongoConnection& connection, const MongoSettings& settings);
// Is it left alone: by a pattern of `exclude`, as the server's own (system.*), or as what a restore made?
bool mongo_left_alone(const MongoSettings& settings, const std::string& database, const std::string& name);
// What is live. Throws for a time series that is not excluded, and for a sharded cluster.
MongoScope mongo_scope(MongoConnection& connection, const MongoSettings& settings);
// What a restore set aside, under the names that are on the server (EngineTarget::old_state).
MongoScope mongo_set_aside(MongoConnection& connection, const MongoSettings& settings, const std::string& restore_id);
// How many documents match, now or in the snapshot that the connection fixed. `what` asks, for errors.
int64_t mongo_count_of(MongoConnection& connection, const MongoSettings& settings, const MongoSettings::Count& count,
                       const std::string& what, bool in_snapshot);
// Throws for a sharded cluster.
void require_not_sharded(const MongoConnection& connection);

}  // namespace ingot
