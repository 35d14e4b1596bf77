#include "drivers/mongodb_scope.h"

#include <fmt/format.h>

#include <algorithm>

#include "drivers/glob.h"
#include "drivers/mongodb_files.h"

namespace ingot {
namespace {

template <class Wanted>
MongoScope scope_of(MongoConnection& connection, const MongoSettings& settings, const Wanted& wanted) {
    MongoScope out;
    for (const std::string& database : mongo_databases(connection, settings)) {
        MongoScope::Database one{database, {}};
        for (MongoNamespace& found : connection.namespaces(database)) {
            if (wanted(database, found)) one.namespaces.push_back(std::move(found));
        }
        if (!one.namespaces.empty()) out.databases.push_back(std::move(one));
    }
    return out;
}

}  // namespace

std::vector<std::string> mongo_databases(MongoConnection& connection, const MongoSettings& settings) {
    std::vector<std::string> out = settings.databases;
    if (out.empty() && !connection.address_database().empty() && connection.address_database() != "admin")
        out = {connection.address_database()};
    if (out.empty()) {
        out = connection.databases();
        // A drill's, under way or left behind.
        std::erase_if(out, [](const std::string& name) { return name.starts_with(kMongoDrill); });
    }
    std::sort(out.begin(), out.end());
    out.erase(std::unique(out.begin(), out.end()), out.end());
    return out;
}

bool mongo_left_alone(const MongoSettings& settings, const std::string& database, const std::string& name) {
    if (name.starts_with("system.") || is_mongo_restore_name(name)) return true;
    return GlobSet(settings.exclude).matches_or_below(database + "/" + name);
}

int64_t mongo_count_of(MongoConnection& connection, const MongoSettings& settings, const MongoSettings::Count& count,
                       const std::string& what, bool in_snapshot) {
    std::string database = count.database;
    if (database.empty()) {
        const std::vector<std::string> all = mongo_databases(connection, settings);
        if (all.size() != 1) {
            throw connection.error(fmt::format("{} names no database, and the source has {}", what, all.size()),
                                   fmt::format("\"DATABASE/{}\"", printable(count.collection)));
        }
        database = all.front();
    }
    if (const auto other = settings.stands_for.find(database); other != settings.stands_for.end()) database = other->second;
    return connection.count_matching(database, count.collection, count.filter, in_snapshot);
}

void require_not_sharded(const MongoConnection& connection) {
    if (!connection.server().mongos) return;
    throw connection.error("it is the router (mongos) of a sharded cluster, which this driver does not take",
                           "back it up by its own tools: driver = \"command\"; a replica set alone is taken");
}

MongoScope mongo_scope(MongoConnection& connection, const MongoSettings& settings) {
    require_not_sharded(connection);
    return scope_of(connection, settings, [&](const std::string& database, const MongoNamespace& found) {
        if (mongo_left_alone(settings, database, found.name)) return false;
        if (found.kind == MongoNamespace::Kind::timeseries) {
            throw connection.error(
                fmt::format("{}.{} is a time series, which this driver does not take", printable(database),
                            printable(found.name)),
                fmt::format("leave it out: exclude = [\"{}/{}\"]", printable(database), printable(found.name)));
        }
        return true;
    });
}

MongoScope mongo_set_aside(MongoConnection& connection, const MongoSettings& settings, const std::string& restore_id) {
    const std::string end = mongo_name_beside("", "old", restore_id);
    return scope_of(connection, settings, [&](const std::string&, const MongoNamespace& found) {
        return found.name.size() > end.size() && found.name.ends_with(end);
    });
}

}  // namespace ingot
