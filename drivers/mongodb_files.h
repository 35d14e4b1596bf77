// The files that a `mongodb` source is stored as, in the folder "SOURCE.mongodb":
//
//   server.json                 { version: "6.0.5" }
//   DATABASE/COLLECTION.bson    the documents, one behind the other, in the order of _id (of a capped collection: as inserted)
//   DATABASE/COLLECTION.json    { ingot: 1, type, documents, options, indexes }, canonical extended JSON; a view has only this
//
// In names '%', '/', a '.' at the beginning and bytes below 0x20 are written as %XX. A collection's UUID is not stored: a restore
// makes a collection with another one.
//
// Thread safety: pure functions. Errors: Error{damaged} for what is no such file.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/filesystem.h"
#include "drivers/mongodb_bson.h"

namespace ingot {

struct MongoDescription {
    bool view = false;
    int64_t documents = 0;
    Bson options;  // as `create` takes them
    std::vector<Bson> indexes;

    std::string encode() const;
    static MongoDescription decode(std::string_view text, std::string_view what);
};

struct MongoArtifact {
    struct Collection {
        std::string database, name;
        MongoDescription description;
        std::string path;  // of its documents; empty of a view
        uint64_t bytes = 0;
        std::string full_name() const { return database + "." + name; }
    };
    std::string version;
    std::vector<Collection> collections;  // by database and name
};

std::string mongo_root(const std::string& source);
std::string mongo_file_name(std::string_view name);
std::string mongo_name_from_file(std::string_view file_name);
std::string encode_mongo_server(const std::string& version);
// What lies materialised below `dir`. The documents are not read.
MongoArtifact read_mongo_artifact(FileSystem& fs, const std::string& dir, const std::string& source);
// Reads the documents of a collection; throws unless they are as many whole ones as its description says.
void check_mongo_documents(FileSystem& fs, const MongoArtifact::Collection& collection);
// Is it the name of what a restore stages or sets aside ("chunks__ingot_new_0123456789abcdef")?
bool is_mongo_restore_name(std::string_view name);
// "new", "old" or "late", for that restore.
std::string mongo_name_beside(const std::string& name, std::string_view word, const std::string& restore_id);

}  // namespace ingot
