#include "drivers/mongodb_settings.h"

#include <fmt/format.h>

#include <cstdlib>
#include <optional>

#include "drivers/options.h"

namespace ingot {
namespace {

// A server that does not answer for so long hangs; a batch of 16 MiB over a slow line takes less.
constexpr std::string_view kTimeout = "30s";
// Indexes of a few hundred million documents take less.
constexpr std::string_view kIndexTimeout = "4h";

struct UriParts {
    std::string_view scheme, login, hosts, path;  // login without '@', path without '/'
};

std::optional<UriParts> parts_of(std::string_view uri) {
    UriParts out;
    const size_t scheme = uri.find("://");
    if (scheme == std::string_view::npos) return std::nullopt;
    out.scheme = uri.substr(0, scheme);
    if (out.scheme != "mongodb" && out.scheme != "mongodb+srv") return std::nullopt;
    std::string_view rest = uri.substr(scheme + 3);
    // The last @ before the options: a password may hold one, or a '/', that was not encoded.
    const std::string_view before_options = rest.substr(0, rest.find('?'));
    if (const size_t at = before_options.rfind('@'); at != std::string_view::npos) {
        out.login = rest.substr(0, at);
        rest.remove_prefix(at + 1);
    }
    rest = rest.substr(0, rest.find('?'));
    out.hosts = rest.substr(0, rest.find('/'));
    if (rest.size() > out.hosts.size()) out.path = rest.substr(out.hosts.size() + 1);
    if (out.hosts.empty()) return std::nullopt;
    return out;
}

std::string_view password_in(std::string_view uri) {
    const auto parts = parts_of(uri);
    if (!parts) return {};
    const size_t colon = parts->login.find(':');
    return colon == std::string_view::npos ? std::string_view() : parts->login.substr(colon + 1);
}

std::string percent_decoded(std::string_view text) {
    std::string out;
    for (size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '%' && i + 2 < text.size()) {
            char* end = nullptr;
            const std::string digits(text.substr(i + 1, 2));
            const long value = std::strtol(digits.c_str(), &end, 16);
            if (end == digits.c_str() + 2) {
                out += static_cast<char>(value);
                i += 2;
                continue;
            }
        }
        out += text[i];
    }
    return out;
}

}  // namespace

std::string shown_mongo_uri(std::string_view uri) {
    const auto parts = parts_of(uri);
    if (!parts) return "(no address of MongoDB)";
    return printable(fmt::format("{}://{}{}{}", parts->scheme, parts->hosts, parts->path.empty() ? "" : "/", parts->path));
}

std::string without_password(std::string text, std::string_view uri, std::string_view password) {
    const std::string_view raw = password_in(uri);
    for (const std::string& secret : {std::string(raw), percent_decoded(raw), std::string(password)}) {
        if (secret.empty()) continue;
        for (size_t at = text.find(secret); at != std::string::npos; at = text.find(secret, at + 3))
            text.replace(at, secret.size(), "***");
    }
    return text;
}

std::string MongoSettings::shown() const {
    return uri.empty() ? fmt::format("the server named by {}", uri_env) : shown_mongo_uri(uri);
}

Secret MongoSettings::address(Code code) const {
    if (!uri.empty()) return Secret::copy_of(uri);
    Secret out = secret_from_env(uri_env, fmt::format("`uri_env` of source {}", source), code);
    if (!parts_of(out.text())) {
        throw Error(code, fmt::format("{} (`uri_env` of source {}) holds no address of MongoDB", uri_env, source),
                    "it begins with mongodb:// or mongodb+srv://");
    }
    return out;
}

Secret MongoSettings::password(Code code) const {
    if (!password_env.empty()) return secret_from_env(password_env, fmt::format("`password_env` of source {}", source), code);
    if (password_file.empty()) return {};
    return secret_from_file(password_file, fmt::format("`password_file` of source {}", source), code);
}

MongoSettings::Count mongo_count(const std::string& text, Code code) {
    constexpr const char* kHint = "facts = { chunks = \"chunks {\\\"deleted\\\": false}\" }";
    MongoSettings::Count out;
    const size_t blank = text.find(' ');
    const std::string where = text.substr(0, blank);
    const size_t slash = where.find('/');
    if (slash != std::string::npos) out.database = where.substr(0, slash);
    out.collection = slash == std::string::npos ? where : where.substr(slash + 1);
    if (out.collection.empty() || (slash != std::string::npos && out.database.empty()))
        throw Error(code, fmt::format("\"{}\" names no collection", printable(text)), kHint);
    if (blank == std::string::npos) return out;
    try {
        out.filter = Bson::from_json(text.substr(blank + 1), "the filter");
    } catch (const Error& error) {
        throw Error(code, fmt::format("\"{}\" has no filter in JSON: {}", printable(text), error.what()), kHint);
    }
    return out;
}

MongoSettings mongo_settings(const SourceSpec& spec) {
    const Options options(spec);
    MongoSettings out;
    out.source = spec.name;
    out.uri = options.text("uri");
    out.uri_env = options.text("uri_env");
    options.exclusive("uri", "uri_env", true, "uri_env = \"MONGODB_URI\", or uri = \"mongodb://127.0.0.1/ragdb\"");
    if (!out.uri.empty() && !parts_of(out.uri))
        throw options.wrong("uri", "is no address of MongoDB", "it begins with mongodb:// or mongodb+srv://");
    out.password_env = options.text("password_env");
    out.password_file = options.path("password_file");
    options.exclusive("password_env", "password_file", false, "leave one of them out");
    out.databases = options.list("databases");
    for (const std::string& name : out.databases) {
        // What a server refuses as a name, and what belongs to it.
        if (name.empty() || name.find_first_of(std::string_view("/\\. \"$\0", 7)) != std::string::npos || name == "admin" ||
            name == "local" || name == "config")
            throw options.wrong("databases", fmt::format("names \"{}\", which is none of an application", printable(name)),
                                "databases = [\"ragdb\"]");
    }
    out.exclude = spec.exclude;
    out.writers_paused = options.choice("writers", {"run", "paused"}) == "paused";
    out.scratch_database = options.choice("scratch", {"database", "files"}) == "database";
    for (const std::string& line : options.list(kMongoStandsFor)) {
        const size_t tab = line.find('\t');
        if (tab != std::string::npos) out.stands_for[line.substr(0, tab)] = line.substr(tab + 1);
    }
    out.timeout_ms = options.duration_ms("timeout", kTimeout);
    out.index_timeout_ms = options.duration_ms("index_timeout", kIndexTimeout);
    for (const auto& [name, text] : spec.facts) {
        try {
            out.facts[name] = mongo_count(text, Code::usage);
        } catch (const Error& error) {
            throw options.wrong("facts", fmt::format("has no question for {}: {}", printable(name), error.what()), error.hint());
        }
    }
    return out;
}

}  // namespace ingot
