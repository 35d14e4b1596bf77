// What the config says of a `qdrant` source, as values (docs/drivers/qdrant.md lists the keys).
//
// Thread safety: values. Errors: Error{usage}; address() and api_key() Error{code}.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "drivers/driver.h"
#include "drivers/options.h"

namespace ingot {

// How a collection is copied: shard by shard, as a stream (Qdrant 1.12 on), or as a snapshot that the server makes and keeps
// first.
enum class QdrantMethod { automatic, stream, snapshot };
// By which name the application asks for a collection, and so what a restore switches.
enum class QdrantCutover { automatic, alias, name };

struct QdrantSettings {
    std::string source;
    std::string url, url_env;  // one of them
    std::string api_key_env;
    std::string api_key_file;              // absolute
    std::string ca_file;                   // absolute
    std::vector<std::string> collections;  // or aliases of them; empty: all
    // Of an old_state() only: a collection that was set aside -> the name it was asked for by, then its other aliases.
    std::map<std::string, std::vector<std::string>> known_as;
    // Of a ScratchTarget's source only: a name of the source -> the collection that stands for it.
    std::map<std::string, std::string> stands_for;
    bool scratch_collections = true;  // a drill loads it into collections of its own
    QdrantMethod method = QdrantMethod::automatic;
    QdrantCutover cutover = QdrantCutover::automatic;
    int64_t timeout_ms = 0;                    // the longest wait for an answer
    int64_t idle_timeout_ms = 0;               // the longest silence of a stream
    int64_t snapshot_timeout_ms = 0;           // the longest that the server may make, or load, a snapshot
    std::map<std::string, std::string> facts;  // name -> "COLLECTION" or "COLLECTION {filter}"

    // Where the server is, without what may be secret.
    std::string shown() const;
    // Without a '/' at its end; may hold a password.
    std::string address(Code code) const;
    // Empty where there is none.
    Secret api_key(Code code) const;
    // The collection that is asked for by this name.
    std::string collection(const std::string& name) const;
};

QdrantSettings qdrant_settings(const SourceSpec& spec);

// An option that no config has: known_as, a line for each collection, its names separated by tabs.
inline constexpr const char* kQdrantKnownAs = "known_as";
// Another: stands_for, a line for each, name and collection separated by a tab.
inline constexpr const char* kQdrantStandsFor = "stands_for";
// What a drill makes beside "rag": "rag__ingot_drill_0123456789abcdef".
inline constexpr std::string_view kQdrantDrill = "__ingot_drill_";

// "COLLECTION {filter}" in its two parts; the second one may be empty.
std::pair<std::string, std::string> qdrant_fact(const std::string& text);

}  // namespace ingot
