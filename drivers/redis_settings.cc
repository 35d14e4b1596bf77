#include "drivers/redis_settings.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <string_view>

#include "drivers/options.h"

namespace ingot {
namespace {

// A server that does not answer for so long hangs; a slow command (a large Lua script) takes less.
constexpr std::string_view kTimeout = "30s";
// A save of 100 GB takes less.
constexpr std::string_view kSaveTimeout = "1h";

int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

std::optional<std::string> percent_decoded(std::string_view text) {
    std::string out;
    for (size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            out += text[i];
            continue;
        }
        if (i + 2 >= text.size()) return std::nullopt;
        const int high = hex_digit(text[i + 1]);
        const int low = hex_digit(text[i + 2]);
        if (high < 0 || low < 0) return std::nullopt;
        out += static_cast<char>(high * 16 + low);
        i += 2;
    }
    return out;
}

std::optional<int> port_from(std::string_view text) {
    if (text.empty() || text.size() > 5) return std::nullopt;
    int port = 0;
    for (const char c : text) {
        if (c < '0' || c > '9') return std::nullopt;
        port = port * 10 + (c - '0');
    }
    if (port < 1 || port > 65535) return std::nullopt;
    return port;
}

std::string what_has_url(const RedisSettings& settings) {
    return settings.url_env.empty() ? fmt::format("`url` of source {}", settings.source)
                                    : fmt::format("the url in {} for source {}", settings.url_env, settings.source);
}

std::string url_from_env(const RedisSettings& settings, Code code) {
    return std::string(secret_from_env(settings.url_env, fmt::format("`url_env` of source {}", settings.source), code).text());
}

}  // namespace

RedisUrl parse_redis_url(const std::string& text, const std::string& what) {
    const auto wrong = [&](std::string_view problem) {
        return Error(Code::usage, fmt::format("{} {}", what, problem),
                     "write it so: redis://127.0.0.1:6379, or unix:///run/redis/redis.sock");
    };
    RedisUrl out;
    std::string_view rest = text;
    for (const std::string_view scheme : {"unix://", "redis+unix://", "redis-socket://"}) {
        if (!rest.starts_with(scheme)) continue;
        rest.remove_prefix(scheme.size());
        out.socket = percent_decoded(rest.substr(0, rest.find('?'))).value_or("");
        if (!out.socket.starts_with('/')) throw wrong("names no absolute path of a socket");
        return out;
    }
    constexpr std::string_view kScheme = "redis://", kTlsScheme = "rediss://";
    out.tls = rest.starts_with(kTlsScheme);
    if (!out.tls && !rest.starts_with(kScheme)) throw wrong("does not begin with redis://, rediss:// or unix://");
    rest.remove_prefix(out.tls ? kTlsScheme.size() : kScheme.size());
    const size_t authority = std::min(rest.find_first_of("/?#"), rest.size());
    if (rest.find('@', authority) != std::string_view::npos) {
        throw wrong("has a password with one of / ? # in it, which must be percent-encoded there: %2F %3F %23");
    }
    rest = rest.substr(0, authority);
    // The last @: a password may hold one that was not encoded.
    if (const size_t at = rest.rfind('@'); at != std::string_view::npos) {
        const std::string_view login = rest.substr(0, at);
        rest.remove_prefix(at + 1);
        const size_t colon = login.find(':');
        const auto user = percent_decoded(login.substr(0, colon));
        if (!user) throw wrong("has a user that is not percent-encoded well");
        out.user = *user;
        if (colon != std::string_view::npos) {
            out.password = percent_decoded(login.substr(colon + 1));
            if (!out.password) throw wrong("has a password that is not percent-encoded well");
        }
    }
    std::string_view port;
    if (rest.starts_with('[')) {
        const size_t end = rest.find(']');
        if (end == std::string_view::npos) throw wrong("has an address without its closing ]");
        out.host = rest.substr(1, end - 1);
        port = rest.substr(end + 1);
    } else {
        out.host = rest.substr(0, rest.find(':'));
        port = rest.substr(out.host.size());
    }
    if (out.host.empty()) throw wrong("names no host");
    if (port.empty()) return out;
    const auto number = port.front() == ':' ? port_from(port.substr(1)) : std::nullopt;
    if (!number) throw wrong("has a port that is no number from 1 to 65535");
    out.port = *number;
    return out;
}

std::string RedisSettings::shown() const {
    if (!url.socket.empty()) return "unix://" + printable(url.socket);
    if (!url_env.empty() && url.host.empty()) return "the server named by " + url_env;
    return fmt::format("{}://{}:{}", url.tls ? "rediss" : "redis", printable(url.host), url.port);
}

RedisUrl RedisSettings::resolved(Code code) const {
    if (url_env.empty()) return url;
    try {
        RedisUrl out = parse_redis_url(url_from_env(*this, code), what_has_url(*this));
        out.password.reset();
        return out;
    } catch (const Error& error) {
        throw error.as(code);
    }
}

Secret RedisSettings::password(Code code) const {
    if (!password_env.empty()) return secret_from_env(password_env, fmt::format("`password_env` of source {}", source), code);
    if (!password_file.empty()) return secret_from_file(password_file, fmt::format("`password_file` of source {}", source), code);
    std::optional<std::string> found;
    if (!url_env.empty()) {
        found = parse_redis_url(url_from_env(*this, code), what_has_url(*this)).password;
    } else if (!url_text.empty()) {
        found = parse_redis_url(url_text, what_has_url(*this)).password;
    }
    if (!found) return {};
    Secret out = Secret::copy_of(*found);
    wipe({reinterpret_cast<uint8_t*>(found->data()), found->size()});
    return out;
}

RedisSettings redis_settings(const SourceSpec& spec) {
    const Options options(spec);
    RedisSettings out;
    out.source = spec.name;
    out.username = options.text("username");
    out.password_env = options.text("password_env");
    out.password_file = options.path("password_file");
    out.data_dir = options.path("data_dir");
    out.tls_ca = options.path("tls_ca");
    out.tls_cert = options.path("tls_cert");
    out.tls_key = options.path("tls_key");
    out.tls_name = options.text("tls_name");
    out.url_env = options.text("url_env");
    out.timeout_ms = options.duration_ms("timeout", kTimeout);
    out.save_timeout_ms = options.duration_ms("save_timeout", kSaveTimeout);
    out.facts = spec.facts;
    options.exclusive("url", "url_env", true, "url = \"redis://127.0.0.1:6379\", or url_env = \"REDIS_URL\"");
    options.exclusive("password_env", "password_file", false, "");
    if (options.has("url")) {
        const std::string text = options.text("url");
        out.url = parse_redis_url(text, what_has_url(out));
        if (out.url.password) out.url_text = text;
    } else {
        // What it names is only known once it is asked for: a config is read in shells that do not have it.
        out.url.host.clear();
    }
    out.url.password.reset();
    if (out.tls_cert.empty() != out.tls_key.empty()) {
        throw options.wrong(out.tls_cert.empty() ? "tls_key" : "tls_cert", "stands alone",
                            "a certificate and its key belong together: tls_cert and tls_key");
    }
    for (const auto& [key, value] : {std::pair{"tls_ca", out.tls_ca}, {"tls_cert", out.tls_cert}, {"tls_name", out.tls_name}}) {
        if (!value.empty() && options.has("url") && !out.url.tls)
            throw options.wrong(key, "is for TLS, which the url does not ask for", "write rediss:// in the url, or leave it out");
    }
    if (out.username.empty()) out.username = out.url.user;
    if (const std::string db = options.text("spare_db"); !db.empty()) {
        const double number = std::strtod(db.c_str(), nullptr);
        if (!(number >= 0 && number <= INT32_MAX) || number != static_cast<double>(static_cast<uint32_t>(number)))
            throw options.wrong("spare_db", "is no number of a database", "leave it out for the highest empty one");
        out.spare_db = static_cast<uint32_t>(number);
    }
    out.scratch_server = options.choice("scratch", {"server", "files"}) == "server";
    for (const auto& [name, pattern] : out.facts) {
        if (pattern.empty())
            throw options.wrong("facts", fmt::format("has no pattern for {}", printable(name)),
                                "facts = { sessions = \"session:*\" }");
    }
    return out;
}

}  // namespace ingot
