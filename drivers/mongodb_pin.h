// The pin of a `mongodb` source: one snapshot session (a replica set of 5.0 or newer), in which all collections are read as they
// were at one cluster time, in the background, into a nameless spool.
//
// Spooled and not streamed: a server keeps old states for five minutes (minSnapshotHistoryWindowInSeconds), and a repository may
// take longer. Collections that are made, dropped or renamed around the pin's moment begin it anew; those that vanish while they
// are read fail the source, because a server answers with an empty one then.
// Without snapshots (a single server, FerretDB) collections are read as they are: fuzzy, unless the settings say that the writers
// are paused; all is then read before the pin is made.
// Thread safety: one thread, beside its own. Errors: Error{source}, Error{interrupted}.
#pragma once

#include <memory>

#include "drivers/driver.h"
#include "drivers/mongodb_connection.h"

namespace ingot {

// `old_of`: a restore whose set-aside collections are read in the place of the live ones; nothing for what is live.
std::unique_ptr<Pin> make_mongo_pin(const MongoSettings& settings, std::unique_ptr<MongoConnection> connection,
                                    const std::string& spool_dir, const std::optional<std::string>& old_of);

}  // namespace ingot
