// Loading a stored `mongodb` source into a server, beside what is live there: each collection under another name in its own
// database, because a rename across databases would copy it.
//
// Thread safety: one thread. Errors: Error{failed}, Error{damaged} for documents that are none; Error{interrupted}.
#pragma once

#include <string>
#include <vector>

#include "drivers/mongodb_connection.h"
#include "drivers/mongodb_files.h"

namespace ingot {

// May it be written to, and by this user: no router, a primary, and the rights that a restore needs in these databases.
void require_mongo_writable(MongoConnection& connection, const std::vector<std::string>& databases, bool validators);
// A server takes what one of its major version, or of an older one, held.
EngineMatch match_mongo_versions(const std::string& recorded, const std::string& live);

// The server is no older than the one the snapshot is of (Error{incompatible}), and every name has room for its suffix.
void require_mongo_loadable(MongoConnection& connection, const MongoArtifact& artifact, const std::string& restore_id);
// Throws where `name` would be too long beside the live one.
void require_room_for_name(const MongoConnection& connection, const std::string& database, const std::string& name,
                           const std::string& restore_id);

// Makes it as `as`, which must not exist: options, documents, indexes; then counted.
void load_mongo_collection(const MongoSettings& settings, MongoConnection& connection, FileSystem& fs,
                           const MongoArtifact::Collection& collection, const std::string& as, bool interruptible);

}  // namespace ingot
