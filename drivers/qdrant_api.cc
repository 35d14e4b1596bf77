#include "drivers/qdrant_api.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <random>

#include "drivers/qdrant_number.h"

namespace ingot {
namespace {

using nlohmann::json;

// Lists of all collections, aliases and payload fields are far smaller.
constexpr uint64_t kMostAnswerBytes = 64 << 20;
constexpr size_t kMostReasonBytes = 500;

std::string path_of(const QdrantPlace& place) {
    std::string out = "/collections/" + percent_encoded(place.collection);
    if (place.shard) out += fmt::format("/shards/{}", *place.shard);
    return out + "/snapshots";
}

// Why, from {"status":{"error":"..."}} or plain text.
std::string reason_in(const HttpResponse& response) {
    const json parsed = json::parse(response.body, nullptr, false);
    if (parsed.is_object() && parsed.contains("status") && parsed["status"].is_object() && parsed["status"].contains("error") &&
        parsed["status"]["error"].is_string())
        return parsed["status"]["error"].get<std::string>();
    return response.body.substr(0, kMostReasonBytes);
}

}  // namespace

struct QdrantApi::Answer {
    int status = 0;
    json result;
};

bool qdrant_at_least(const std::string& version, int major, int minor) {
    int found[2] = {0, 0};
    const char* at = version.data();
    const char* end = at + version.size();
    for (int i = 0; i < 2; ++i) {
        const auto parsed = std::from_chars(at, end, found[i]);
        if (parsed.ec != std::errc() || (i == 0 && (parsed.ptr == end || *parsed.ptr != '.')))
            throw Error(Code::damaged, printable(version) + " is no version of Qdrant",
                        "is this the address of Qdrant's REST interface?");
        at = parsed.ptr + 1;
    }
    return found[0] > major || (found[0] == major && found[1] >= minor);
}

QdrantApi::QdrantApi(const QdrantSettings& settings, Code code, bool interruptible)
    : settings_(settings), code_(code), interruptible_(interruptible), shown_(settings.shown()), http_(make_http()) {}

HttpRequest QdrantApi::request(const std::string& method, const std::string& path) const {
    HttpRequest out;
    out.method = method;
    out.url = settings_.address(code_) + path;
    out.shown = shown_ + path.substr(0, path.find('?'));
    const Secret key = settings_.api_key(code_);
    if (!key.empty()) out.headers.emplace_back("api-key", key.text());
    out.body_limit = kMostAnswerBytes;
    out.deadlines = {.connect_ms = settings_.timeout_ms, .total_ms = settings_.timeout_ms, .idle_ms = settings_.timeout_ms};
    out.ca_file = settings_.ca_file;
    out.despite_interrupt = !interruptible_;
    out.code = code_;
    return out;
}

Error QdrantApi::refused(const HttpRequest& request, const std::string& path, const HttpResponse& response) const {
    std::string hint;
    if (response.status == 401 || response.status == 403)
        hint = "give a key that may do this in `api_key_env` (service.api_key of the server's config, or a JWT)";
    if (response.status == 404) hint = "does `url` name the right server, and the source the right collections?";
    if (response.status == 429 || response.status >= 500) hint = "look at the server's log";
    if (hint.empty()) hint = "docs/drivers/qdrant.md says which versions are supported";
    return {code_,
            fmt::format("{}: {} {}: {} {}", shown_, request.method, path.substr(0, path.find('?')), response.status,
                        printable(reason_in(response))),
            hint};
}

QdrantApi::Answer QdrantApi::ask(const HttpRequest& request, const std::string& path) {
    const HttpResponse response = http_->send(request);
    if (response.status == 404) return {404, {}};
    if (!response.ok()) throw refused(request, path, response);
    json parsed = json::parse(response.body, nullptr, false);
    // GET / has no envelope.
    if (parsed.is_object() && path == "/") return {200, std::move(parsed)};
    if (!parsed.is_object() || !parsed.contains("result")) {
        throw Error(code_, fmt::format("{}: {} {} was not answered as Qdrant does", shown_, request.method, path),
                    "is this the address of Qdrant's REST interface (port 6333)?");
    }
    return {response.status, std::move(parsed["result"])};
}

QdrantApi::Answer QdrantApi::get(const std::string& path) { return ask(request("GET", path), path); }

QdrantApi::Answer QdrantApi::send(const std::string& method, const std::string& path, const std::string& text) {
    HttpRequest out = request(method, path);
    out.headers.emplace_back("Content-Type", "application/json");
    out.body = text;
    Answer answer = ask(out, path);
    if (answer.status == 404) {
        throw Error(code_, fmt::format("{}: {} {}: 404, not found", shown_, method, path.substr(0, path.find('?'))),
                    "was the collection deleted meanwhile?");
    }
    return answer;
}

// What `read` throws is an answer of another shape than the interface has.
template <class F>
static auto shaped(Code code, const std::string& shown, const std::string& what, const F& read) {
    try {
        return read();
    } catch (const json::exception& error) {
        throw Error(code, fmt::format("{}: {} was answered in an unknown form: {}", shown, what, printable(error.what())),
                    "docs/drivers/qdrant.md says which versions are supported");
    }
}

std::string QdrantApi::version() {
    const Answer answer = get("/");
    return shaped(code_, shown_, "its version", [&] {
        std::string out = answer.result.at("version").get<std::string>();
        try {
            (void)qdrant_at_least(out, 1, 0);
        } catch (const Error& error) {
            throw error.as(code_);
        }
        return out;
    });
}

std::vector<std::string> QdrantApi::collections() {
    const Answer answer = get("/collections");
    return shaped(code_, shown_, "the list of collections", [&] {
        std::vector<std::string> out;
        for (const json& entry : answer.result.at("collections")) out.push_back(entry.at("name").get<std::string>());
        std::sort(out.begin(), out.end());
        return out;
    });
}

QdrantAliases QdrantApi::aliases() {
    const Answer answer = get("/aliases");
    return shaped(code_, shown_, "the list of aliases", [&] {
        QdrantAliases out;
        for (const json& entry : answer.result.at("aliases"))
            out[entry.at("alias_name").get<std::string>()] = entry.at("collection_name").get<std::string>();
        return out;
    });
}

std::optional<QdrantInfo> QdrantApi::info(const std::string& name) {
    const Answer answer = get("/collections/" + percent_encoded(name));
    if (answer.status == 404) return std::nullopt;
    return shaped(code_, shown_, "the state of collection " + printable(name), [&] {
        const json& of = answer.result;
        QdrantInfo out;
        out.status = of.at("status").get<std::string>();
        const json optimizer = of.value("optimizer_status", json("ok"));
        out.optimizer_status = optimizer.is_string() ? optimizer.get<std::string>() : optimizer.dump();
        if (of.contains("update_queue") && of["update_queue"].is_object() && of["update_queue"].contains("length"))
            out.queued_updates = whole_number<uint64_t>(of["update_queue"]["length"]);
        out.config = of.at("config").dump();
        out.payload_schema = of.value("payload_schema", json::object()).dump();
        return std::optional(out);
    });
}

QdrantShards QdrantApi::shards(const std::string& collection) {
    const Answer answer = get("/collections/" + percent_encoded(collection) + "/cluster");
    return shaped(code_, shown_, "the shards of " + printable(collection), [&] {
        QdrantShards out;
        for (const json& shard : answer.result.at("local_shards")) {
            out.local.push_back(whole_number<uint32_t>(shard.at("shard_id")));
            if (const std::string state = shard.at("state").get<std::string>(); state != "Active") out.not_active = state;
        }
        std::sort(out.local.begin(), out.local.end());
        out.remote = answer.result.value("remote_shards", json::array()).size();
        return out;
    });
}

uint64_t QdrantApi::count(const std::string& collection, const std::string& filter) {
    const std::string body = filter.empty() ? R"({"exact":true})" : R"({"exact":true,"filter":)" + filter + "}";
    const Answer answer = send("POST", "/collections/" + percent_encoded(collection) + "/points/count", body);
    return shaped(code_, shown_, "a count", [&] { return whole_number<uint64_t>(answer.result.at("count")); });
}

std::vector<QdrantPoint> QdrantApi::scroll(const std::string& collection, const std::string& from, uint32_t limit,
                                           const std::string& vector_name) {
    json body{{"limit", limit}, {"with_payload", false}};
    body["with_vector"] = vector_name.empty() ? json(true) : json::array({vector_name});
    if (!from.empty()) body["offset"] = json::parse(from);
    const Answer answer = send("POST", "/collections/" + percent_encoded(collection) + "/points/scroll", body.dump());
    return shaped(code_, shown_, "a page of points", [&] {
        std::vector<QdrantPoint> out;
        for (const json& each : answer.result.at("points")) {
            QdrantPoint& point = out.emplace_back();
            point.number = each.at("id").is_number();
            point.id = point.number ? each.at("id").dump() : each.at("id").get<std::string>();
            json vector = each.value("vector", json());
            if (!vector_name.empty()) vector = vector.is_object() ? vector.value(vector_name, json()) : json();
            // Named ones, a sparse one, several of one point: no dense vector.
            if (!vector.is_array() || vector.empty() || !vector.front().is_number()) continue;
            for (const json& component : vector) {
                const auto real = component.get<double>();
                if (!(std::abs(real) <= std::numeric_limits<float>::max()))
                    throw json::type_error::create(302, "a component is no float", nullptr);
                const auto value = static_cast<float>(real);
                const auto* bytes = reinterpret_cast<const uint8_t*>(&value);
                point.vector.insert(point.vector.end(), bytes, bytes + sizeof value);
            }
        }
        return out;
    });
}

std::vector<Neighbour> QdrantApi::nearest(const std::string& collection, const std::string& vector_name, const Bytes& vector,
                                          uint32_t k, bool query_points) {
    std::vector<float> components(vector.size() / sizeof(float));
    std::memcpy(components.data(), vector.data(), components.size() * sizeof(float));
    json body{{"limit", k}, {"params", {{"exact", true}}}, {"with_payload", false}};
    if (query_points) {
        body["query"] = components;
        if (!vector_name.empty()) body["using"] = vector_name;
    } else {
        body["vector"] = vector_name.empty() ? json(components) : json{{"name", vector_name}, {"vector", components}};
    }
    const std::string path = "/collections/" + percent_encoded(collection) + (query_points ? "/points/query" : "/points/search");
    const Answer answer = send("POST", path, body.dump());
    return shaped(code_, shown_, "a search", [&] {
        std::vector<Neighbour> out;
        for (const json& each : query_points ? answer.result.at("points") : answer.result) {
            const json& id = each.at("id");
            out.push_back({id.is_string() ? id.get<std::string>() : id.dump(), each.at("score").get<double>()});
        }
        return out;
    });
}

void QdrantApi::drain_updates(const std::string& collection) {
    // A random UUID, which is nobody's.
    std::random_device random;
    const std::string id = fmt::format("{:08x}-{:04x}-4{:03x}-8{:03x}-{:08x}{:04x}", random(), random() & 0xFFFF,
                                       random() & 0xFFF, random() & 0xFFF, random(), random() & 0xFFFF);
    send("POST", "/collections/" + percent_encoded(collection) + "/points/delete?wait=true", R"({"points":[")" + id + R"("]})");
}

void QdrantApi::stream(const std::string& path, const std::function<void(ByteView)>& to, const std::function<bool()>& stop) {
    HttpRequest out = request("GET", path);
    out.deadlines.total_ms = 0;
    out.deadlines.idle_ms = settings_.idle_timeout_ms;
    out.body_to = to;
    out.stop_when = stop;
    const HttpResponse response = http_->send(out);
    if (!response.ok()) throw refused(out, path, response);
}

void QdrantApi::stream_shard(const std::string& collection, uint32_t shard, const std::function<void(ByteView)>& to,
                             const std::function<bool()>& stop) {
    stream(fmt::format("/collections/{}/shards/{}/snapshot", percent_encoded(collection), shard), to, stop);
}

void QdrantApi::download(const std::string& collection, const std::string& snapshot, const std::function<void(ByteView)>& to,
                         const std::function<bool()>& stop) {
    stream(path_of({collection, std::nullopt}) + "/" + percent_encoded(snapshot), to, stop);
}

QdrantSnapshotFile QdrantApi::create_snapshot(const std::string& collection, const std::function<bool()>& stop) {
    const std::string path = path_of({collection, std::nullopt}) + "?wait=true";
    HttpRequest out = request("POST", path);
    out.deadlines.total_ms = out.deadlines.idle_ms = settings_.snapshot_timeout_ms;
    out.stop_when = stop;
    const Answer answer = ask(out, path);
    if (answer.status == 404)
        throw Error(code_, fmt::format("{}: there is no collection {}", shown_, printable(collection)),
                    "was it deleted meanwhile?");
    return shaped(code_, shown_, "the making of a snapshot", [&] {
        const json checksum = answer.result.value("checksum", json());
        return QdrantSnapshotFile{answer.result.at("name").get<std::string>(), whole_number<uint64_t>(answer.result.at("size")),
                                  checksum.is_string() ? checksum.get<std::string>() : std::string()};
    });
}

std::vector<std::string> QdrantApi::snapshots(const QdrantPlace& place) {
    const Answer answer = get(path_of(place));
    return shaped(code_, shown_, "the list of snapshots", [&] {
        std::vector<std::string> out;
        if (answer.status == 404) return out;
        for (const json& entry : answer.result) out.push_back(entry.at("name").get<std::string>());
        return out;
    });
}

void QdrantApi::delete_snapshot(const QdrantPlace& place, const std::string& name) {
    const std::string path = path_of(place) + "/" + percent_encoded(name) + "?wait=true";
    HttpRequest out = request("DELETE", path);
    out.despite_interrupt = true;
    ask(out, path);
}

void QdrantApi::upload(const QdrantPlace& place, HttpUpload file, const std::string& checksum) {
    std::string path = path_of(place) + "/upload?wait=true&priority=snapshot";
    if (!checksum.empty()) path += "&checksum=" + percent_encoded(checksum);
    HttpRequest out = request("POST", path);
    out.deadlines.total_ms = 0;
    // While the server unpacks, not one byte moves.
    out.deadlines.idle_ms = settings_.snapshot_timeout_ms;
    file.field = "snapshot";
    file.file_name = "ingot.snapshot";
    out.upload = std::move(file);
    if (const Answer answer = ask(out, path); answer.status == 404) {
        throw Error(code_, fmt::format("{}: there is no shard to load into in {}", shown_, printable(place.collection)),
                    "was the collection deleted meanwhile?");
    }
}

void QdrantApi::create(const std::string& collection, const std::string& config) {
    const json saved = json::parse(config, nullptr, false);
    json body = json::object();
    // info() says `optimizer_config`, a creation takes `optimizers_config`; the rest of the names are alike.
    if (saved.is_object() && saved.contains("params") && saved["params"].is_object()) body = saved["params"];
    if (!body.contains("vectors")) body["vectors"] = json::object();
    for (const char* key : {"hnsw_config", "wal_config", "quantization_config", "strict_mode_config", "metadata"}) {
        if (saved.is_object() && saved.contains(key) && !saved[key].is_null()) body[key] = saved[key];
    }
    if (saved.is_object() && saved.contains("optimizer_config")) body["optimizers_config"] = saved["optimizer_config"];
    HttpRequest out = request("PUT", "/collections/" + percent_encoded(collection));
    out.headers.emplace_back("Content-Type", "application/json");
    out.body = body.dump();
    ask(out, "/collections/" + percent_encoded(collection));
}

void QdrantApi::create_indexes(const std::string& collection, const std::string& payload_schema) {
    const json schema = json::parse(payload_schema, nullptr, false);
    if (!schema.is_object()) throw Error(Code::damaged, "the recorded payload schema is no JSON object");
    for (const auto& [field, of] : schema.items()) {
        // `params` says all; without any the type alone is enough.
        const json params = of.is_object() ? of.value("params", json()) : json();
        const json type = of.is_object() ? of.value("data_type", json()) : of;
        const std::string path = "/collections/" + percent_encoded(collection) + "/index?wait=true";
        HttpRequest out = request("PUT", path);
        out.deadlines.total_ms = out.deadlines.idle_ms = settings_.snapshot_timeout_ms;
        out.headers.emplace_back("Content-Type", "application/json");
        out.body = json{{"field_name", field}, {"field_schema", params.is_object() ? params : type}}.dump();
        ask(out, path);
    }
}

void QdrantApi::trigger_optimizers(const std::string& collection) {
    send("PATCH", "/collections/" + percent_encoded(collection), R"({"optimizers_config":{}})");
}

void QdrantApi::remove(const std::string& collection) {
    HttpRequest out = request("DELETE", "/collections/" + percent_encoded(collection));
    out.despite_interrupt = true;
    ask(out, "/collections/" + percent_encoded(collection));
}

void QdrantApi::change_aliases(const std::vector<std::string>& remove, const QdrantAliases& add) {
    if (remove.empty() && add.empty()) return;
    json actions = json::array();
    for (const std::string& alias : remove) actions.push_back({{"delete_alias", {{"alias_name", alias}}}});
    for (const auto& [alias, collection] : add)
        actions.push_back({{"create_alias", {{"collection_name", collection}, {"alias_name", alias}}}});
    const std::string path = "/collections/aliases";
    HttpRequest out = request("POST", path);
    out.headers.emplace_back("Content-Type", "application/json");
    out.body = json{{"actions", actions}}.dump();
    out.despite_interrupt = true;
    if (const Answer answer = ask(out, path); answer.status == 404)
        throw Error(code_, fmt::format("{}: an alias was to be made of a collection that is not there", shown_),
                    "look at GET /aliases and GET /collections");
}

}  // namespace ingot
