// What the config says of a `redis` source, as values (docs/drivers/redis.md lists the keys), and where its password is found.
//
// The password is asked for each time a connection is made, and lives as long as that takes: from `password_env` or `url_env`
// (an environment variable, else a systemd credential of that name), from `password_file`, or from the url itself.
//
// Thread safety: values. Errors: Error{usage} for what cannot work; none quotes a secret.
#pragma once

#include <optional>
#include <string>

#include "base/error.h"
#include "base/secret.h"
#include "drivers/driver.h"

namespace ingot {

struct RedisUrl {
    std::string host = "127.0.0.1";
    int port = 6379;
    std::string socket;  // a unix socket, in place of host and port
    std::string user;
    std::optional<std::string> password;
    bool tls = false;
};

// "redis://[user[:password]@]host[:port][/N]", "rediss://..." for TLS, "unix:///path" or "redis+unix:///path"; what is
// percent-encoded is decoded, and a database's number is not looked at. `what` names the url in errors, which never quote it.
RedisUrl parse_redis_url(const std::string& text, const std::string& what);

struct RedisSettings {
    std::string source;
    RedisUrl url;  // without a password
    std::string username;
    std::string password_env;
    std::string password_file;  // absolute
    std::string url_env;
    std::string url_text;                   // only where it has a password
    std::string tls_ca, tls_cert, tls_key;  // absolute
    std::string tls_name;                   // that the server's certificate is for; empty: the url's host
    std::string data_dir;                   // absolute; the files of the server, for when it is stopped
    std::optional<uint32_t> spare_db;
    bool scratch_server = true;                // a drill loads it into a temporary server, where one is installed
    int64_t timeout_ms = 0;                    // the longest wait for an answer
    int64_t save_timeout_ms = 0;               // the longest that a save of the server may take
    std::map<std::string, std::string> facts;  // name -> pattern of keys

    // "redis://host:port", "rediss://host:port" or "unix:///path"; safe to show.
    std::string shown() const;
    // Where the server is, now: with `url_env` that is asked for each time. Without a password.
    RedisUrl resolved(Code code) const;
    // Empty where the server asks for none. Throws Error{`code`} where it is not to be had.
    Secret password(Code code) const;
};

RedisSettings redis_settings(const SourceSpec& spec);

}  // namespace ingot
