#include "snapshot/manifest.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/clock.h"
#include "base/error.h"
#include "snapshot/json_text.h"

namespace ingot {
namespace {

constexpr int64_t kVersion = 1;
constexpr std::array kStatuses = {SourceStatus::stored, SourceStatus::missing, SourceStatus::empty, SourceStatus::unreadable,
                                  SourceStatus::shrunk};
constexpr std::array kKinds = {AttestationKind::verified, AttestationKind::golden, AttestationKind::drilled,
                               AttestationKind::suspect, AttestationKind::accepted};
constexpr std::array kClasses = {Consistency::fuzzy, Consistency::pinned, Consistency::barrier};

const char* to_string(PinConsistency consistency) { return consistency == PinConsistency::pinned ? "pinned" : "fuzzy"; }

// The one of `values` that the field names.
template <class T, size_t N>
T enum_field(const Json& object, const char* name, const std::array<T, N>& values) {
    const std::string text = text_field(object, name);
    for (const T value : values) {
        if (text == to_string(value)) return value;
    }
    throw_bad_field(name);
}

Json listing_to_json(const std::optional<StreamRoot>& listing) {
    if (!listing) return nullptr;
    return {{"height", listing->height}, {"digest", listing->digest.hex()}, {"size", listing->size}};
}

std::optional<StreamRoot> listing_from_json(const Json& json) {
    if (json.is_null()) return std::nullopt;
    StreamRoot root;
    const uint64_t height = uint_field(json, "height");
    if (height > UINT8_MAX) throw_bad_field("height");
    root.height = static_cast<uint8_t>(height);
    root.digest = name_field<Digest>(json, "digest");
    root.size = uint_field(json, "size");
    return root;
}

// {"path": ".env", "fingerprints": {"API_KEY": "..."}}, one for each file
Json secrets_to_json(const SecretFingerprints& secrets) {
    Json out = Json::array();
    for (const auto& [place, keys] : secrets) {
        Json prints = Json::object();
        for (const auto& [key, print] : keys) prints[printable(key)] = print;
        out.push_back({{"path", path_to_json(place)}, {"fingerprints", prints}});
    }
    return out;
}

std::map<std::string, std::string> text_map(const Json& object, const char* name) {
    std::map<std::string, std::string> out;
    const Json& map = field(object, name);
    if (!map.is_object()) throw_bad_field(name);
    for (const auto& [key, value] : map.items()) {
        if (!value.is_string()) throw_bad_field(name);
        out[key] = value.get<std::string>();
    }
    return out;
}

SecretFingerprints secrets_from_json(const Json& list) {
    SecretFingerprints out;
    for (const Json& each : list) out[path_from_json(field(each, "path"))] = text_map(each, "fingerprints");
    return out;
}

Json source_to_json(const ManifestSource& source) {
    Json roots = Json::array();
    for (const std::string& each : source.roots) roots.push_back(path_to_json(each));
    Json json = {{"name", printable(source.name)},
                 {"driver", printable(source.driver)},
                 {"status", to_string(source.status)},
                 {"problem", printable(source.problem)},
                 {"consistency", to_string(source.consistency)},
                 {"moment_first", iso_utc(source.moment_first_ms)},
                 {"moment_last", iso_utc(source.moment_last_ms)},
                 {"pause_ms", source.pause_ms},
                 {"roots", roots},
                 {"listing", listing_to_json(source.listing)},
                 {"entries", source.entries},
                 {"streams", source.streams},
                 {"bytes", source.bytes},
                 {"facts", facts_to_json(source.facts)},
                 {"notes", texts_to_json(source.notes)}};
    if (!source.hint.empty()) json["hint"] = printable(source.hint);
    if (!source.secrets.empty()) json["secrets"] = secrets_to_json(source.secrets);
    return json;
}

ManifestSource source_from_json(const Json& json) {
    ManifestSource source;
    source.name = text_field(json, "name");
    source.driver = text_field(json, "driver");
    source.status = enum_field(json, "status", kStatuses);
    source.problem = text_field(json, "problem");
    if (json.contains("hint")) source.hint = text_field(json, "hint");
    source.consistency = enum_field(json, "consistency", std::array{PinConsistency::pinned, PinConsistency::fuzzy});
    source.moment_first_ms = time_field(json, "moment_first");
    source.moment_last_ms = time_field(json, "moment_last");
    source.pause_ms = int_field(json, "pause_ms");
    for (const Json& each : array_field(json, "roots")) source.roots.push_back(path_from_json(each));
    source.listing = listing_from_json(field(json, "listing"));
    source.entries = uint_field(json, "entries");
    source.streams = uint_field(json, "streams");
    source.bytes = uint_field(json, "bytes");
    source.facts = facts_from_json(field(json, "facts"));
    source.notes = texts_field(json, "notes");
    if (json.contains("secrets")) source.secrets = secrets_from_json(array_field(json, "secrets"));
    return source;
}

Bytes to_bytes(const Json& json) {
    const std::string text = json.dump();
    return {text.begin(), text.end()};
}

void require_version(const Json& json, const char* what) {
    const int64_t version = int_field(json, "version");
    if (version != kVersion) {
        throw Error(Code::damaged, fmt::format("{} is of version {}, and this program reads version {}", what, version, kVersion),
                    "use a newer ingot");
    }
}

}  // namespace

const char* to_string(SourceStatus status) {
    static constexpr std::array kNames = {"stored", "missing", "empty", "unreadable", "shrunk"};
    return kNames.at(static_cast<size_t>(status));
}

const char* to_string(AttestationKind kind) {
    static constexpr std::array kNames = {"verified", "golden", "drilled", "suspect", "accepted"};
    return kNames.at(static_cast<size_t>(kind));
}

bool Manifest::complete() const {
    return std::all_of(sources.begin(), sources.end(), [](const ManifestSource& s) { return s.status == SourceStatus::stored; });
}

const ManifestSource* Manifest::find(std::string_view source) const {
    const auto found = std::find_if(sources.begin(), sources.end(), [&](const ManifestSource& s) { return s.name == source; });
    return found == sources.end() ? nullptr : &*found;
}

Bytes encode_manifest(const Manifest& manifest) {
    Json sources = Json::array();
    for (const ManifestSource& each : manifest.sources) sources.push_back(source_to_json(each));
    Json json = {{"version", kVersion},
                 {"stack", printable(manifest.stack)},
                 {"root", path_to_json(manifest.root)},
                 {"host", printable(manifest.host)},
                 {"ingot", printable(manifest.ingot_version)},
                 {"application_version", printable(manifest.application_version)},
                 {"tags", texts_to_json(manifest.tags)},
                 {"started", iso_utc(manifest.started_ms)},
                 {"moment", iso_utc(manifest.moment_ms)},
                 {"finished", iso_utc(manifest.finished_ms)},
                 {"consistency", to_string(manifest.consistency)},
                 {"skew_ms", manifest.skew_ms},
                 {"pause_ms", manifest.pause_ms ? Json(*manifest.pause_ms) : Json(nullptr)},
                 {"totals",
                  {{"bytes_read", manifest.bytes_read},
                   {"chunks", manifest.chunks},
                   {"chunks_new", manifest.chunks_new},
                   {"bytes_new", manifest.bytes_new}}},
                 {"sources", sources}};
    if (!manifest.versions.empty()) {
        json["versions"] = Json::object();
        for (const auto& [name, version] : manifest.versions) json["versions"][printable(name)] = printable(version);
    }
    return to_bytes(json);
}

Manifest decode_manifest(ByteView bytes) {
    const Json json = parse_object(bytes, "the manifest");
    require_version(json, "the manifest");
    Manifest manifest;
    manifest.stack = text_field(json, "stack");
    manifest.root = path_from_json(field(json, "root"));
    manifest.host = text_field(json, "host");
    manifest.ingot_version = text_field(json, "ingot");
    manifest.application_version = text_field(json, "application_version");
    if (json.contains("versions")) manifest.versions = text_map(json, "versions");
    manifest.tags = texts_field(json, "tags");
    manifest.started_ms = time_field(json, "started");
    manifest.moment_ms = time_field(json, "moment");
    manifest.finished_ms = time_field(json, "finished");
    manifest.consistency = enum_field(json, "consistency", kClasses);
    manifest.skew_ms = int_field(json, "skew_ms");
    if (!field(json, "pause_ms").is_null()) manifest.pause_ms = int_field(json, "pause_ms");
    const Json& totals = field(json, "totals");
    manifest.bytes_read = uint_field(totals, "bytes_read");
    manifest.chunks = uint_field(totals, "chunks");
    manifest.chunks_new = uint_field(totals, "chunks_new");
    manifest.bytes_new = uint_field(totals, "bytes_new");
    for (const Json& each : array_field(json, "sources")) manifest.sources.push_back(source_from_json(each));
    return manifest;
}

Bytes encode_attestation(const Attestation& attestation) {
    Json evidence = Json::object();
    for (const auto& [name, facts] : attestation.evidence) evidence[printable(name)] = facts_to_json(facts);
    Json out{{"version", kVersion},
             {"kind", to_string(attestation.kind)},
             {"manifest", attestation.manifest.hex()},
             {"time", iso_utc(attestation.time_ms)},
             {"host", printable(attestation.host)},
             {"evidence", evidence},
             {"accepted", texts_to_json(attestation.accepted)}};
    for (const auto& [probe, record] : attestation.top_k) out["top_k"][printable(probe)] = Json::parse(encode_top_k(record));
    return to_bytes(out);
}

Attestation decode_attestation(ByteView bytes) {
    const Json json = parse_object(bytes, "the attestation");
    require_version(json, "the attestation");
    Attestation attestation;
    attestation.kind = enum_field(json, "kind", kKinds);
    attestation.manifest = name_field<RecordId>(json, "manifest");
    attestation.time_ms = time_field(json, "time");
    attestation.host = text_field(json, "host");
    const Json& evidence = field(json, "evidence");
    if (!evidence.is_object()) throw_bad_field("evidence");
    for (const auto& [name, facts] : evidence.items()) attestation.evidence[name] = facts_from_json(facts);
    attestation.accepted = texts_field(json, "accepted");
    // Not in those of earlier versions.
    if (const auto top_k = json.find("top_k"); top_k != json.end()) {
        if (!top_k->is_object()) throw_bad_field("top_k");
        for (const auto& [probe, record] : top_k->items()) attestation.top_k[probe] = decode_top_k(record.dump());
    }
    return attestation;
}

}  // namespace ingot
