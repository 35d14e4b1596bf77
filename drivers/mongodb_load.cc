#include "drivers/mongodb_load.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <set>

#include "base/interrupt.h"
#include "base/step.h"
#include "drivers/mongodb_documents.h"
#include "drivers/mongodb_scope.h"

namespace ingot {
namespace {

// A message may have 48 MB; smaller batches keep memory small and each answer well within `timeout`.
constexpr uint64_t kBatchBytes = 4 << 20, kBatchDocuments = 10'000;
// "database.collection" in bytes: since 4.4, and before.
constexpr size_t kMostNameBytes = 255, kMostOldNameBytes = 120;

bool covers(const Bson& privilege, const std::string& database) {
    const Bson resource = privilege.document("resource");
    if (resource.flag("anyResource")) return true;
    if (!resource.has("db") || !resource.text("collection").empty()) return false;
    return resource.text("db").empty() || resource.text("db") == database;
}

}  // namespace

void require_mongo_writable(MongoConnection& connection, const std::vector<std::string>& databases, bool validators) {
    require_not_sharded(connection);
    if (!connection.server().writable)
        throw connection.error("the member it speaks to is no primary, and read-only",
                               "name the replica set in the address: ?replicaSet=NAME");
    const auto status = connection.ask("admin", Bson().set("connectionStatus", 1).set("showPrivileges", true));
    if (!status) return;  // a server without users (FerretDB)
    const Bson login = status->document("authInfo");
    if (login.documents("authenticatedUsers").empty()) return;
    std::vector<std::string> actions{"find",        "insert",         "createCollection", "createIndex",
                                     "listIndexes", "dropCollection", "listCollections",  "renameCollectionSameDB"};
    if (validators) actions.emplace_back("bypassDocumentValidation");
    const std::vector<Bson> privileges = login.documents("authenticatedUserPrivileges");
    for (const std::string& database : databases) {
        std::set<std::string> allowed;
        for (const Bson& privilege : privileges) {
            if (!covers(privilege, database)) continue;
            for (const std::string& action : privilege.texts("actions")) allowed.insert(action);
        }
        for (const std::string& action : actions) {
            if (allowed.contains(action)) continue;
            throw connection.error(fmt::format("its user may not {} in the database {}", action, printable(database)),
                                   action == "bypassDocumentValidation"
                                       ? "collections with a validator are loaded past it: give the user the role `restore`, or "
                                         "`dbAdmin` beside `readWrite`"
                                       : "give the user the role `readWrite` there");
        }
    }
}

void require_room_for_name(const MongoConnection& connection, const std::string& database, const std::string& name,
                           const std::string& restore_id) {
    const MongoServer& server = connection.server();
    const size_t most = server.major > 4 || server.version.starts_with("4.4") ? kMostNameBytes : kMostOldNameBytes;
    // "late" is the longest of the suffixes.
    const std::string beside = database + "." + mongo_name_beside(name, "late", restore_id);
    if (beside.size() <= most) return;
    throw connection.error(
        fmt::format(
            "the name {}.{} leaves no room for the suffix it gets while it is restored: {} bytes, and the server takes {}",
            printable(database), printable(name), beside.size(), most),
        "restore to a folder (`--to DIR`) and load it by hand");
}

EngineMatch match_mongo_versions(const std::string& recorded, const std::string& live) {
    EngineMatch out{.verdict = Verdict::fine, .then = recorded, .now = live, .why = {}, .hint = {}};
    if (std::strtoll(live.c_str(), nullptr, 10) >= std::strtoll(recorded.c_str(), nullptr, 10)) return out;
    out.verdict = Verdict::refused;
    out.why =
        fmt::format("it is of version {}, and the snapshot is of a server of version {}", printable(live), printable(recorded));
    out.hint = "restore into a server that is at least as new";
    return out;
}

void require_mongo_loadable(MongoConnection& connection, const MongoArtifact& artifact, const std::string& restore_id) {
    const EngineMatch match = match_mongo_versions(artifact.version, connection.server().version);
    if (match.verdict == Verdict::refused) throw connection.error(match.why, match.hint).as(Code::incompatible);
    for (const MongoArtifact::Collection& one : artifact.collections)
        require_room_for_name(connection, one.database, one.name, restore_id);
}

void load_mongo_collection(const MongoSettings& settings, MongoConnection& connection, FileSystem& fs,
                           const MongoArtifact::Collection& collection, const std::string& as, bool interruptible) {
    const MongoDescription& wanted = collection.description;
    // Of old servers; newer ones refuse them.
    connection.write(collection.database,
                     Bson().set("create", as).set_all(wanted.options.without({"temp", "flags", "autoIndexId"})));
    step("restore.mongodb.created");
    const std::shared_ptr<ReadFile> file = fs.open(collection.path);
    const bool bypass = wanted.options.has("validator");
    for_each_batch([&](uint64_t offset, std::span<uint8_t> out) { return file->read_at(offset, out); }, collection.bytes,
                   kBatchBytes, kBatchDocuments, printable(collection.full_name()),
                   [&](ByteView documents, uint64_t) {
                       if (interruptible) check_interrupted();
                       connection.insert(collection.database, as, documents, bypass);
                   });
    std::vector<Bson> indexes;
    for (const Bson& index : wanted.indexes) {
        // The server makes the one of _id by itself, and each in its newest format (v).
        if (index.text("name") != "_id_" && !index.flag("clustered")) indexes.push_back(index.without({"v"}));
    }
    if (!indexes.empty()) {
        MongoConnection patient(settings, Code::failed, settings.index_timeout_ms);
        patient.write(collection.database, Bson().set("createIndexes", as).set("indexes", indexes));
    }
    const int64_t count = connection.count(collection.database, as);
    if (count == wanted.documents) return;
    throw connection.error(fmt::format("{} documents were loaded for {}, and the server counts {}", wanted.documents,
                                       printable(collection.full_name()), count),
                           "see the server's log; a capped collection may be too small for what it held");
}

}  // namespace ingot
