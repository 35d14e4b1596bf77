#include "drivers/qdrant_settings.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/http.h"

namespace ingot {
namespace {

// Exact counts of some ten million points take less.
constexpr std::string_view kTimeout = "30s";
// Before its first segment a stream is silent while the shard is flushed; longer is a server that hangs.
constexpr std::string_view kIdleTimeout = "1m";
// Unpacking a collection of 100 GB, and building its indexes, takes less.
constexpr std::string_view kSnapshotTimeout = "1h";

bool is_address(const std::string& url) {
    return (url.starts_with("http://") || url.starts_with("https://")) && shown_url(url) != "(not a url)" &&
           url.find_first_of("?# \t\r\n") == std::string::npos;
}

std::string without_slash(std::string url) {
    while (url.ends_with('/')) url.pop_back();
    return url;
}

}  // namespace

std::pair<std::string, std::string> qdrant_fact(const std::string& text) {
    const size_t brace = text.find('{');
    std::string name = text.substr(0, brace);
    while (name.ends_with(' ')) name.pop_back();
    return {name, brace == std::string::npos ? std::string() : text.substr(brace)};
}

QdrantSettings qdrant_settings(const SourceSpec& spec) {
    const Options options(spec);
    QdrantSettings out;
    out.source = spec.name;
    out.url = options.text("url");
    out.url_env = options.text("url_env");
    options.exclusive("url", "url_env", true, "url = \"http://127.0.0.1:6333\", or url_env = \"QDRANT_URL\"");
    if (options.has("url") && !is_address(out.url))
        throw options.wrong("url", "is no http:// or https:// address", "url = \"http://127.0.0.1:6333\"");
    out.api_key_env = options.text("api_key_env");
    options.exclusive("api_key_env", "api_key_file", false, "");
    out.api_key_file = options.path("api_key_file");
    out.ca_file = options.path("ca_file");
    out.collections = options.list("collections");
    for (const std::string& line : options.list(kQdrantKnownAs)) {
        std::vector<std::string> names;
        for (size_t from = 0; from <= line.size();) {
            const size_t end = std::min(line.find('\t', from), line.size());
            names.push_back(line.substr(from, end - from));
            from = end + 1;
        }
        if (names.size() > 1) out.known_as[names[0]].assign(names.begin() + 1, names.end());
    }
    for (const std::string& line : options.list(kQdrantStandsFor)) {
        const size_t tab = line.find('\t');
        if (tab != std::string::npos) out.stands_for[line.substr(0, tab)] = line.substr(tab + 1);
    }
    out.scratch_collections = options.choice("scratch", {"collection", "files"}) == "collection";
    const std::string method = options.choice("method", {"auto", "stream", "snapshot"});
    out.method = method == "auto" ? QdrantMethod::automatic : method == "stream" ? QdrantMethod::stream : QdrantMethod::snapshot;
    const std::string cutover = options.choice("cutover", {"auto", "alias", "name"});
    out.cutover = cutover == "auto" ? QdrantCutover::automatic : cutover == "alias" ? QdrantCutover::alias : QdrantCutover::name;
    out.timeout_ms = options.duration_ms("timeout", kTimeout);
    out.idle_timeout_ms = options.duration_ms("idle_timeout", kIdleTimeout);
    out.snapshot_timeout_ms = options.duration_ms("snapshot_timeout", kSnapshotTimeout);
    out.facts = spec.facts;
    for (const auto& [name, text] : out.facts) {
        if (qdrant_fact(text).first.empty())
            throw options.wrong("facts", fmt::format("names no collection for {}", printable(name)),
                                "facts = { live = 'rag_main {\"must\":[...]}' }");
    }
    return out;
}

std::string QdrantSettings::shown() const {
    return url.empty() ? "the server named by " + url_env : without_slash(shown_url(url));
}

std::string QdrantSettings::address(Code code) const {
    if (!url.empty()) return without_slash(url);
    std::string text(secret_from_env(url_env, fmt::format("`url_env` of source {}", source), code).text());
    if (!is_address(text)) {
        throw Error(code, fmt::format("{} (`url_env` of source {}) is no http:// or https:// address", url_env, source),
                    "write it so: http://127.0.0.1:6333");
    }
    return without_slash(std::move(text));
}

std::string QdrantSettings::collection(const std::string& name) const {
    const auto found = stands_for.find(name);
    return found == stands_for.end() ? name : found->second;
}

Secret QdrantSettings::api_key(Code code) const {
    if (!api_key_env.empty()) return secret_from_env(api_key_env, fmt::format("`api_key_env` of source {}", source), code);
    if (!api_key_file.empty()) return secret_from_file(api_key_file, fmt::format("`api_key_file` of source {}", source), code);
    return {};
}

}  // namespace ingot
