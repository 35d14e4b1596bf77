// One client of a MongoDB server, by libmongoc. Every wait has a deadline (`timeout`), also for a server that hangs.
//
// Thread safety: one thread at a time; different clients in different threads. Lifetime: its session ends with it.
// Errors: Error{code} as given to the constructor, with the server's words and without any password. Where a source is read
// (Code::source), Error{interrupted} when a signal came.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "drivers/mongodb_settings.h"

namespace ingot {

struct MongoServer {
    std::string version;  // "6.0.5"
    int64_t major = 0;
    bool mongos = false;
    bool replica_set = false;
    bool writable = false;
    // It can read many collections as they were at one cluster time: a replica set, from 5.0 on.
    bool snapshots = false;
};

struct MongoNamespace {
    enum class Kind { collection, view, timeseries };
    std::string name;
    Kind kind = Kind::collection;
    Bson options;      // as `create` takes them
    std::string uuid;  // hexadecimal; empty where the server tells none
    bool capped() const { return options.flag("capped"); }
    friend bool operator==(const MongoNamespace&, const MongoNamespace&) = default;
};

class MongoConnection {
public:
    // Connects and logs in. `answer_ms`: the longest wait for one answer; 0 for the settings' `timeout`.
    MongoConnection(const MongoSettings& settings, Code code, int64_t answer_ms = 0);
    MongoConnection(const MongoConnection&) = delete;
    MongoConnection& operator=(const MongoConnection&) = delete;
    ~MongoConnection();

    const MongoServer& server() const { return server_; }
    // The one that the address names; empty where it names none.
    const std::string& address_database() const { return address_database_; }

    Bson command(const std::string& database, const Bson& command);
    // Nothing where the server refused it: refused_code() says why.
    std::optional<Bson> ask(const std::string& database, const Bson& command);
    // As command(), for what changes something: durable on a majority of the set when it returns.
    void write(const std::string& database, Bson command);
    int64_t refused_code() const { return refused_code_; }

    std::vector<std::string> databases();
    std::vector<MongoNamespace> namespaces(const std::string& database);
    std::vector<Bson> indexes(const std::string& database, const std::string& collection);
    int64_t count(const std::string& database, const std::string& collection);

    // From here on reads that ask for it are of the cluster time of this one.
    void begin_snapshot(const std::string& database, const std::string& collection);
    struct Reading {
        bool by_id = true;  // in the order of _id; else in natural order
        bool in_snapshot = false;
    };
    using Each = std::function<void(ByteView document)>;
    void read(const std::string& database, const std::string& collection, Reading reading, const Each& each);
    // How many documents match.
    int64_t count_matching(const std::string& database, const std::string& collection, const Bson& filter, bool in_snapshot);
    // Documents one behind the other. `bypass`: not validated by the collection's validator.
    void insert(const std::string& database, const std::string& collection, ByteView documents, bool bypass);

    Error error(const std::string& problem, std::string hint = {}) const;

    // Codes of refusals (src/mongo/base/error_codes.yml).
    static constexpr int64_t kUnauthorized = 13, kNamespaceNotFound = 26, kInvalidOptions = 72, kCommandNotFound = 59,
                             kSnapshotUnavailable = 246;

private:
    struct Client;

    Error refused(const std::string& what, const void* error, const Bson& reply) const;
    std::optional<Bson> run(const std::string& database, const Bson& command, const std::string& what);

    std::string source_, shown_, address_database_;
    Code code_;
    MongoServer server_;
    int64_t refused_code_ = 0;
    int64_t answer_ms_ = 0;
    std::unique_ptr<Client> client_;
};

}  // namespace ingot
