#include "drivers/registry.h"

#include <algorithm>
#include <array>

#include "drivers/command.h"
#include "drivers/env.h"
#include "drivers/faiss.h"
#include "drivers/faiss_child.h"
#include "drivers/files.h"
#include "drivers/mongodb.h"
#include "drivers/nginx.h"
#include "drivers/postgres.h"
#include "drivers/qdrant.h"
#include "drivers/redis.h"
#include "drivers/sqlite.h"

namespace ingot {
namespace {

// `path` and `paths` are both taken by the drivers of files; that there is at least one is checked when the driver is made.
constexpr DriverKey kFilesKeys[] = {
    {"path", KeyType::text, false, "a file or folder, absolute or relative to the stack's root"},
    {"paths", KeyType::text_list, false, "several of them"},
    {"exclude", KeyType::text_list, false, "patterns of what to leave out: \"*.tmp\", \"cache/**\""},
    {"growing", KeyType::text_list, false,
     "patterns of files that are appended to, and are pinned at their size: \"logs/*.log\""},
};

constexpr DriverKey kEnvKeys[] = {
    {"path", KeyType::text, false, "a .env file, absolute or relative to the stack's root"},
    {"paths", KeyType::text_list, false, "several of them"},
};

constexpr DriverKey kSqliteKeys[] = {
    {"path", KeyType::text, true, "the database file, absolute or relative to the stack's root"},
    {"facts", KeyType::text_table, false, "name = \"SELECT ...\": one value each, kept as evidence and for [[invariants]]"},
};

constexpr DriverKey kCommandKeys[] = {
    {"snapshot", KeyType::text, true, "a command line; what it prints is what is stored"},
    {"restore", KeyType::text, false, "a command line that gets it on its standard input and replaces what is live with it"},
    {"check", KeyType::text, false, "a command line that gets it too, and ends with status 0 where it is good"},
    {"facts", KeyType::text_table, false,
     "name = \"grep -c ... || true\": one value each, printed by a command that gets it too"},
    {"name", KeyType::text, false, "of the file in listings; default SOURCE.out"},
    {"directory", KeyType::text, false, "where the commands run; default the stack's root"},
    {"moment", KeyType::text, false,
     "which state it shows: \"end\" (default): writers are resumed after it; \"start\": a transaction's; \"unknown\""},
    {"timeout", KeyType::duration, false, "the longest a command may run; default 1h"},
    {"idle_timeout", KeyType::duration, false, "the longest the snapshot command may print nothing; default 5m"},
    {"allow_empty", KeyType::flag, false, "may it print nothing? default false"},
    {"undo", KeyType::text, false,
     "\"snapshot\" (default): a restore keeps what the snapshot command prints before it; \"none\": it cannot be taken back"},
};

constexpr DriverKey kNginxKeys[] = {
    {"conf", KeyType::text, false, "the first config file; default /etc/nginx/nginx.conf"},
    {"path", KeyType::text, false, "only this file or folder of the config, in place of all that `conf` reads"},
    {"paths", KeyType::text_list, false, "several of them"},
    {"exclude", KeyType::text_list, false, "patterns of what to leave out: \"*.bak\""},
    {"nginx", KeyType::text, false, "the program; default nginx"},
    {"prefix", KeyType::text, false, "what relative paths of logs start from; default as the program was built"},
    {"test", KeyType::flag, false, "let nginx test what is stored and what is restored; default true"},
    {"reload", KeyType::text_or_empty, false, "a command line; default `nginx -s reload` where it is running; \"\": no reload"},
    {"time_limit", KeyType::duration, false, "of one test, and of a reload; default 60s"},
};

constexpr DriverKey kFaissKeys[] = {
    {"path", KeyType::text, true, "the index file, absolute or relative to the stack's root"},
    {"docstore", KeyType::text_list, false, "files that belong to it, pinned with it: [\"data/index.pkl\"]"},
    {"docstore_skew", KeyType::duration, false, "how far apart they may have been written; default 10m"},
    {"lists", KeyType::text_list, false,
     "data files of on-disk inverted lists, where they are not found by the index's own word"},
};

constexpr DriverKey kPostgresKeys[] = {
    {"url", KeyType::text, false, "postgresql://rag@127.0.0.1/ragdb, or host=... dbname=..."},
    {"url_env", KeyType::text, false, "an environment variable or systemd credential that holds it"},
    {"database", KeyType::text, false, "another database than the one that the address names"},
    {"password_env", KeyType::text, false, "an environment variable that holds the password"},
    {"password_file", KeyType::text, false, "a file, or a systemd credential, that holds it"},
    {"facts", KeyType::text_table, false, "name = \"SELECT ...\": one value each, kept as evidence and for [[invariants]]"},
    {"tools", KeyType::text, false, "put before pg_dump and pg_restore: \"docker exec -i rag-postgres-1\""},
    {"tools_url", KeyType::text, false, "how they reach the same database; default `url`"},
    {"locks", KeyType::text, false, "writers are resumed after the locks of the \"pin\" (default), or of its \"dump\" too"},
    {"role_passwords", KeyType::flag, false, "store the roles' password hashes too; default false"},
    {"restore_mode", KeyType::text, false, "\"rename\" (default): a new database takes the old one's name; \"in_place\""},
    {"maintenance_database", KeyType::text, false, "what is connected to while the database is renamed; default postgres"},
    {"scratch", KeyType::text, false,
     "a drill loads it into a \"database\" of the live server, a temporary \"server\", or opens its \"files\"; default \"auto\""},
    {"timeout", KeyType::duration, false, "the longest a tool may run; default 4h"},
    {"idle_timeout", KeyType::duration, false, "the longest a tool may print nothing; default 5m"},
};

constexpr DriverKey kRedisKeys[] = {
    {"url", KeyType::text, false, "redis://127.0.0.1:6379, rediss://... for TLS, or unix:///run/redis/redis.sock"},
    {"url_env", KeyType::text, false, "an environment variable or systemd credential that holds it"},
    {"username", KeyType::text, false, "an ACL user; default the url's, else `default`"},
    {"password_env", KeyType::text, false, "an environment variable or systemd credential that holds the password"},
    {"password_file", KeyType::text, false, "a file that holds it"},
    {"facts", KeyType::text_table, false, "name = \"session:*\": how many keys match; \"1/session:*\" in database 1"},
    {"tls_ca", KeyType::text, false, "the authorities that may have signed the server's certificate; default: the system's"},
    {"tls_cert", KeyType::text, false, "a certificate to show to the server, and tls_key its key"},
    {"tls_key", KeyType::text, false, "the key of tls_cert"},
    {"tls_name", KeyType::text, false, "the name that the server's certificate is for; default: the url's host"},
    {"data_dir", KeyType::text, false, "the server's `dir`: where its files are taken from when it is stopped"},
    {"spare_db", KeyType::number, false, "the first database a restore may load into; default the highest empty one"},
    {"scratch", KeyType::text, false, "a drill loads it into a temporary \"server\" (default), or opens its \"files\" only"},
    {"timeout", KeyType::duration, false, "the longest wait for an answer; default 30s"},
    {"save_timeout", KeyType::duration, false, "the longest that a save of the server may take; default 1h"},
};

constexpr DriverKey kMongoKeys[] = {
    {"uri", KeyType::text, false, "mongodb://127.0.0.1/ragdb"},
    {"uri_env", KeyType::text, false, "an environment variable or systemd credential that holds it"},
    {"password_env", KeyType::text, false, "an environment variable or systemd credential that holds the password"},
    {"password_file", KeyType::text, false, "a file that holds it"},
    {"databases", KeyType::text_list, false, "default the address's, else all but admin, local and config"},
    {"exclude", KeyType::text_list, false, "patterns of what to leave out: \"ragdb/cache_*\""},
    {"facts", KeyType::text_table, false, "name = \"chunks {\\\"deleted\\\": false}\": how many documents match"},
    {"writers", KeyType::text, false, "without snapshots: \"run\" (default, fuzzy), or \"paused\" until all is read"},
    {"scratch", KeyType::text, false,
     "a drill loads it into a \"database\" of its own on the server (default), or opens its \"files\" only"},
    {"timeout", KeyType::duration, false, "the longest wait for an answer; default 30s"},
    {"index_timeout", KeyType::duration, false, "the longest that a restore may build indexes; default 4h"},
};

constexpr DriverKey kQdrantKeys[] = {
    {"url", KeyType::text, false, "http://127.0.0.1:6333, its REST interface"},
    {"url_env", KeyType::text, false, "an environment variable or systemd credential that holds it"},
    {"api_key_env", KeyType::text, false, "an environment variable or systemd credential that holds the key"},
    {"api_key_file", KeyType::text, false, "a file that holds it"},
    {"ca_file", KeyType::text, false, "of https: the certificate authority, in PEM form; default the system's"},
    {"collections", KeyType::text_list, false, "names or aliases: [\"rag_main\"]; default all"},
    {"facts", KeyType::text_table, false,
     "name = 'rag_main {\"must\":[...]}': how many points match; without a filter, how many there are"},
    {"method", KeyType::text, false, "\"auto\" (default): shards are streamed from Qdrant 1.12 on; \"stream\"; \"snapshot\""},
    {"cutover", KeyType::text, false,
     "what the application asks for: an \"alias\", the collection's \"name\"; \"auto\" (default): an alias where there is one"},
    {"scratch", KeyType::text, false,
     "a drill loads it into a \"collection\" of its own on the server (default), or opens its \"files\" only"},
    {"timeout", KeyType::duration, false, "the longest wait for an answer; default 30s"},
    {"idle_timeout", KeyType::duration, false, "the longest that a stream may be silent; default 1m"},
    {"snapshot_timeout", KeyType::duration, false, "the longest that the server may make, or load, a snapshot; default 1h"},
};

template <class T>
std::unique_ptr<Driver> make(SourceSpec spec) {
    return std::make_unique<T>(std::move(spec));
}

constexpr std::array<DriverInfo, 10> kDrivers = {{
    {"files", "files and folders, as they are", kFilesKeys, make<FilesDriver>},
    {"env", ".env files: kept as they are, values never shown", kEnvKeys, make<EnvDriver>},
    {"nginx", "an nginx config: tested by nginx, which is reloaded after a restore", kNginxKeys, make<NginxDriver>},
    {"sqlite", "a SQLite database, pinned by a read transaction", kSqliteKeys, make<SqliteDriver>},
    {"faiss", "a FAISS index and its docstore, pinned by read leases", kFaissKeys, make<FaissDriver>},
    {"postgres", "a PostgreSQL database: pg_dump of a pinned snapshot, restored by renaming", kPostgresKeys,
     make<PostgresDriver>},
    {"redis", "a Redis or Valkey server, pinned as a replica does, restored by SWAPDB", kRedisKeys, make<RedisDriver>},
    {"mongodb", "MongoDB databases, read in a snapshot session, restored by renaming", kMongoKeys, make<MongoDriver>},
    {"qdrant", "collections of a Qdrant server: streams of its shards, restored beside the live ones by aliases", kQdrantKeys,
     make<QdrantDriver>},
    {"command", "any program: its output, fed back to another one", kCommandKeys, make<CommandDriver>},
}};

}  // namespace

std::span<const DriverInfo> all_drivers() { return kDrivers; }

const DriverInfo* find_driver(std::string_view name) {
    const auto found = std::find_if(kDrivers.begin(), kDrivers.end(), [&](const DriverInfo& info) { return info.name == name; });
    return found == kDrivers.end() ? nullptr : &*found;
}

std::optional<int> run_engine_child(int argc, char** argv) { return run_faiss_child(argc, argv); }

}  // namespace ingot
