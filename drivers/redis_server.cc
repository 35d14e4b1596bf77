#include "drivers/redis_server.h"

#include <fmt/format.h>

#include <cstdlib>

#include "base/clock.h"
#include "drivers/redis_load.h"

namespace ingot {
namespace {

// What Redis has where nobody says otherwise.
constexpr uint32_t kDatabases = 16;

std::string field(const std::map<std::string, std::string>& info, const std::string& name) {
    const auto found = info.find(name);
    return found == info.end() ? "" : found->second;
}

uint64_t number(const std::string& text) { return std::strtoull(text.c_str(), nullptr, 10); }

}  // namespace

void require_restorable(RedisConnection& connection) {
    if (field(connection.info("persistence"), "loading") == "1")
        throw connection.error("it is still loading its data", "run the restore again when it has");
    if (field(connection.info("replication"), "role") != "master") {
        throw connection.error("it is a replica, and takes its data from its master", "restore into the master; replicas follow");
    }
    if (field(connection.info("cluster"), "cluster_enabled") == "1") {
        throw connection.error("it is a node of a cluster, which has no spare databases",
                               "`ingot restore ID --to DIR` gives the RDB file; put it where the stopped node has its own");
    }
    const RedisConnection::Words needed{"RESTORE", "SWAPDB", "MULTI", "EXEC", "SELECT", "FLUSHDB", "SET", "GET", "DEL", "DBSIZE"};
    RedisConnection::Words words{"COMMAND", "INFO"};
    words.insert(words.end(), needed.begin(), needed.end());
    const RedisReply known = connection.ask(words);
    for (size_t i = 0; i < known.items.size() && i < needed.size(); ++i) {
        if (known.items[i].kind != RedisReply::Kind::nil) continue;
        throw connection.error(
            fmt::format("it has no command {} (rename-command), which a restore needs", needed[i]),
            "give it its name back, or restore with --to DIR and put the file in place while the server is stopped");
    }
}

int redis_rdb_version(RedisConnection& connection) {
    // An empty dump of functions ends with it too.
    if (const RedisReply dump = connection.ask({"FUNCTION", "DUMP"}); dump.kind == RedisReply::Kind::text)
        return version_of_payload(dump.text);
    const auto info = connection.info("server");
    const std::string version =
        field(info, "valkey_version").empty() ? field(info, "redis_version") : field(info, "valkey_version");
    const auto major = number(version);
    if (major >= 9) return 80;
    if (major == 8) return field(info, "valkey_version").empty() ? 12 : 11;
    if (major == 7) {
        const auto minor = number(version.substr(std::min<size_t>(2, version.size())));
        return minor >= 4 ? 12 : minor >= 2 ? 11 : 10;
    }
    return major >= 5 ? 9 : 8;
}

EngineMatch match_rdb_versions(int64_t recorded, int64_t newest) {
    EngineMatch out{.verdict = Verdict::fine,
                    .then = fmt::format("RDB {}", recorded),
                    .now = fmt::format("RDB {}", newest),
                    .why = {},
                    .hint = {}};
    if (recorded == 0) out.then.clear();
    if (recorded <= newest) return out;
    out.verdict = Verdict::refused;
    out.why = fmt::format("the snapshot is of RDB version {}, and the server reads up to {}", recorded, newest);
    out.hint = "restore into a server that is at least as new as the one it was taken of";
    return out;
}

void require_memory(RedisConnection& connection, uint64_t bytes) {
    const auto info = connection.info("memory");
    const uint64_t most = number(field(info, "maxmemory"));
    const uint64_t used = number(field(info, "used_memory"));
    if (most == 0 || used + bytes <= most) return;
    throw connection.error(fmt::format("the snapshot takes about {} beside the {} in use, and maxmemory is {}",
                                       human_bytes(bytes), human_bytes(used), human_bytes(most)),
                           "raise it for the restore: CONFIG SET maxmemory BYTES");
}

uint32_t redis_database_count(RedisConnection& connection) {
    return static_cast<uint32_t>(number(connection.config("databases", std::to_string(kDatabases))));
}

std::set<uint32_t> redis_used_databases(RedisConnection& connection) {
    std::set<uint32_t> out;
    for (const auto& [name, value] : connection.info("keyspace")) {
        if (name.starts_with("db")) out.insert(static_cast<uint32_t>(number(name.substr(2))));
    }
    return out;
}

}  // namespace ingot
