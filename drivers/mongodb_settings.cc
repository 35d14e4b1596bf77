#include "drivers/mongodb_settings.h"

#include <fmt/format.h>

#include <cstdlib>
#include <optional>

#include "base/clock.h"
#include "base/filesystem.h"
#include "drivers/source_paths.h"

namespace ingot {
namespace {

// A server that does not answer for so long hangs; a batch of 16 MiB over a slow line takes less.
constexpr std::string_view kTimeout = "30s";
// Indexes of a few hundred million documents take less.
constexpr std::string_view kIndexTimeout = "4h";
// An address is a line; a file of more is not one.
constexpr uint64_t kMostSecretBytes = 64 << 10;

class Options {
public:
    explicit Options(const SourceSpec& spec) : spec_(spec) {}

    std::string text(const std::string& key, std::string_view otherwise = {}) const {
        const auto found = spec_.options.find(key);
        return found == spec_.options.end() ? std::string(otherwise) : found->second;
    }
    bool has(const std::string& key) const { return spec_.options.contains(key); }
    int64_t duration_ms(const std::string& key, std::string_view otherwise) const {
        const int64_t ms = parse_duration_ms(text(key, otherwise));
        // libmongoc counts in 32 bits.
        if (ms > 0 && ms <= INT32_MAX) return ms;
        throw wrong(key, "must be longer than nothing, and at most 24 days", fmt::format("leave it out for {}", otherwise));
    }
    Error wrong(const std::string& key, std::string_view problem, std::string hint) const {
        return {Code::usage, fmt::format("`{}` of source {} {}", key, spec_.name, problem), std::move(hint)};
    }

private:
    const SourceSpec& spec_;
};

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

Secret line_of(Bytes bytes) {
    std::string_view line = text_of(bytes);
    line = line.substr(0, line.find('\n'));
    while (line.ends_with('\r')) line.remove_suffix(1);
    Secret out = Secret::copy_of(line);
    wipe(bytes);
    return out;
}

// An environment variable, or a systemd credential of that name.
Secret secret_named(const std::string& name, const std::string& key, const std::string& source, Code code) {
    if (const char* value = std::getenv(name.c_str()); value != nullptr && *value != '\0')
        return Secret::copy_of(std::string_view(value));
    const char* folder = std::getenv("CREDENTIALS_DIRECTORY");
    if (folder != nullptr && name.find('/') == std::string::npos && real_filesystem().exists(join(folder, name))) {
        try {
            return line_of(read_file(real_filesystem(), join(folder, name), kMostSecretBytes));
        } catch (const Error& error) {
            throw error.as(code);
        }
    }
    throw Error(code, fmt::format("the environment variable {} (`{}` of source {}) is not set", name, key, source),
                fmt::format("set it, or give ingot a systemd credential of that name: LoadCredential={}:PATH", name));
}

std::vector<std::string> lines_of(const std::string& text) {
    std::vector<std::string> out;
    for (size_t at = 0; at < text.size();) {
        const size_t end = std::min(text.find('\n', at), text.size());
        out.push_back(text.substr(at, end - at));
        at = end + 1;
    }
    return out;
}

// "collection", "database/collection", and a filter in JSON after a blank.
MongoSettings::Count count_from(const Options& options, const std::string& name, const std::string& text) {
    MongoSettings::Count out;
    const size_t blank = text.find(' ');
    const std::string where = text.substr(0, blank);
    const size_t slash = where.find('/');
    if (slash != std::string::npos) out.database = where.substr(0, slash);
    out.collection = slash == std::string::npos ? where : where.substr(slash + 1);
    if (out.collection.empty() || (slash != std::string::npos && out.database.empty())) {
        throw options.wrong("facts", fmt::format("names no collection for {}", printable(name)),
                            "facts = { chunks = \"chunks {\\\"deleted\\\": false}\" }");
    }
    if (blank == std::string::npos) return out;
    try {
        out.filter = Bson::from_json(text.substr(blank + 1), fmt::format("the filter of {}", printable(name)));
    } catch (const Error& error) {
        throw options.wrong("facts", fmt::format("has no filter in JSON for {}: {}", printable(name), error.what()),
                            "facts = { chunks = \"chunks {\\\"deleted\\\": false}\" }");
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
    Secret out = secret_named(uri_env, "uri_env", source, code);
    if (!parts_of(out.text())) {
        throw Error(code, fmt::format("{} (`uri_env` of source {}) holds no address of MongoDB", uri_env, source),
                    "it begins with mongodb:// or mongodb+srv://");
    }
    return out;
}

Secret MongoSettings::password(Code code) const {
    if (!password_env.empty()) return secret_named(password_env, "password_env", source, code);
    if (password_file.empty()) return {};
    try {
        return line_of(read_file(real_filesystem(), password_file, kMostSecretBytes));
    } catch (const Error& error) {
        throw error.within(fmt::format("`password_file` of source {}", source)).as(code);
    }
}

MongoSettings mongo_settings(const SourceSpec& spec) {
    const Options options(spec);
    MongoSettings out;
    out.source = spec.name;
    out.uri = options.text("uri");
    out.uri_env = options.text("uri_env");
    if (out.uri.empty() == out.uri_env.empty()) {
        throw options.wrong("uri", out.uri.empty() ? "is missing, and so is `uri_env`" : "and `uri_env` are both given",
                            "uri_env = \"MONGODB_URI\", or uri = \"mongodb://127.0.0.1/ragdb\"");
    }
    if (!out.uri.empty() && !parts_of(out.uri))
        throw options.wrong("uri", "is no address of MongoDB", "it begins with mongodb:// or mongodb+srv://");
    out.password_env = options.text("password_env");
    if (options.has("password_file")) out.password_file = live_path_from(spec.root, options.text("password_file"));
    if (!out.password_env.empty() && !out.password_file.empty())
        throw options.wrong("password_env", "and `password_file` are both given", "leave one of them out");
    out.databases = lines_of(options.text("databases"));
    for (const std::string& name : out.databases) {
        // What a server refuses as a name, and what belongs to it.
        if (name.empty() || name.find_first_of(std::string_view("/\\. \"$\0", 7)) != std::string::npos || name == "admin" ||
            name == "local" || name == "config")
            throw options.wrong("databases", fmt::format("names \"{}\", which is none of an application", printable(name)),
                                "databases = [\"ragdb\"]");
    }
    out.exclude = spec.exclude;
    const std::string writers = options.text("writers", "run");
    if (writers != "run" && writers != "paused") {
        throw options.wrong("writers", "is neither \"run\" nor \"paused\"", "leave it out for \"run\"");
    }
    out.writers_paused = writers == "paused";
    out.timeout_ms = options.duration_ms("timeout", kTimeout);
    out.index_timeout_ms = options.duration_ms("index_timeout", kIndexTimeout);
    for (const auto& [name, text] : spec.facts) out.facts[name] = count_from(options, name, text);
    return out;
}

}  // namespace ingot
