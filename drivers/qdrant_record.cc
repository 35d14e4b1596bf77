#include "drivers/qdrant_record.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string_view>

#include "base/error.h"
#include "base/http.h"
#include "drivers/qdrant_number.h"

namespace ingot {
namespace {

using nlohmann::json;

constexpr int kForm = 1;
// Thousands of collections with hundreds of fields each are far smaller.
constexpr uint64_t kMostRecordBytes = 256 << 20;
// Vectors of more dimensions Qdrant does not take (65,536).
constexpr uint64_t kMostDimensions = 1 << 20;

uint32_t datatype_bytes(const json& vector) {
    const json type = vector.value("datatype", json());
    if (type == "float16") return 2;
    if (type == "uint8") return 1;
    return 4;
}

}  // namespace

std::string encode_qdrant_record(const QdrantRecord& record) {
    json out{{"form", kForm}, {"version", record.version}, {"collections", json::array()}};
    for (const QdrantCollection& of : record.collections) {
        json one{{"name", of.name},
                 {"real_name", of.real_name},
                 {"aliases", of.aliases},
                 {"config", json::parse(of.config)},
                 {"payload_schema", json::parse(of.payload_schema)},
                 {"shards", of.shards},
                 {"checksum", of.checksum}};
        if (of.points) one["points"] = *of.points;
        out["collections"].push_back(std::move(one));
    }
    return out.dump(1) + "\n";
}

QdrantRecord decode_qdrant_record(const std::string& text) {
    try {
        const json in = json::parse(text);
        if (in.at("form") != kForm)
            throw Error(Code::damaged, "the record of collections is of a form that this version of ingot does not read",
                        "use the version that made the snapshot, or a newer one");
        QdrantRecord out;
        out.version = in.at("version").get<std::string>();
        std::set<std::string> names;
        for (const json& one : in.at("collections")) {
            QdrantCollection of;
            of.name = one.at("name").get<std::string>();
            of.real_name = one.at("real_name").get<std::string>();
            of.aliases = one.at("aliases").get<std::vector<std::string>>();
            of.config = one.at("config").dump();
            of.payload_schema = one.at("payload_schema").dump();
            for (const json& shard : one.at("shards").get_ref<const json::array_t&>())
                of.shards.push_back(whole_number<uint32_t>(shard));
            of.checksum = one.at("checksum").get<std::string>();
            if (one.contains("points")) of.points = whole_number<uint64_t>(one["points"]);
            if (of.name.empty() || !names.insert(of.name).second)
                throw Error(Code::damaged, "the record of collections names one twice, or none");
            out.collections.push_back(std::move(of));
        }
        return out;
    } catch (const json::exception& error) {
        throw Error(Code::damaged, fmt::format("the record of collections cannot be read: {}", printable(error.what())),
                    "choose another snapshot");
    }
}

QdrantRecord read_qdrant_record(FileSystem& fs, const std::string& path) {
    return decode_qdrant_record(std::string(text_of(read_file(fs, path, kMostRecordBytes))));
}

std::string qdrant_record_path(const std::string& source) { return source + ".qdrant/collections.json"; }

std::string qdrant_folder(const std::string& source, const QdrantCollection& collection) {
    std::string name = percent_encoded(collection.name);
    // "." and ".." are no names of folders, and a collection may be called collections.json.
    if (name.starts_with('.')) name = "%2E" + name.substr(1);
    if (name == "collections.json") name = "collections%2Ejson";
    return source + ".qdrant/" + name;
}

std::vector<std::string> qdrant_archives(const std::string& source, const QdrantCollection& collection) {
    const std::string folder = qdrant_folder(source, collection);
    if (collection.shards.empty()) return {folder + "/collection.tar"};
    std::vector<std::string> out;
    for (const uint32_t shard : collection.shards) out.push_back(fmt::format("{}/shard-{}.tar", folder, shard));
    return out;
}

TarKnown qdrant_vectors(const std::string& config) {
    // Name of the vector ("" for the only one) -> its elements.
    std::map<std::string, TarElements, std::less<>> known;
    const json parsed = json::parse(config, nullptr, false);
    const auto add = [&](const std::string& name, const json& vector) {
        if (!vector.is_object() || !vector.contains("size") || !vector["size"].is_number_unsigned()) return;
        const auto dimensions = vector["size"].get<uint64_t>();
        if (dimensions == 0 || dimensions > kMostDimensions) return;
        const uint32_t bytes = datatype_bytes(vector);
        known[name] = {static_cast<uint32_t>(dimensions) * bytes, 0, bytes == 4 ? Content::f32 : Content::bytes};
    };
    if (parsed.is_object() && parsed.contains("params") && parsed["params"].is_object()) {
        const json vectors = parsed["params"].value("vectors", json());
        if (vectors.is_object() && vectors.contains("size") && vectors["size"].is_number()) {
            add("", vectors);
        } else if (vectors.is_object()) {
            for (const auto& [name, vector] : vectors.items()) add(name, vector);
        }
    }
    return [known](const std::string& path) -> TarElements {
        // ".../vector_storage[-NAME]/matrix.dat" or ".../vector_storage[-NAME]/vectors/chunk_N.mmap"
        constexpr std::string_view kStorage = "vector_storage";
        const std::string_view all = path;
        size_t at = all.rfind(std::string("/") + std::string(kStorage));
        if (at == std::string_view::npos) return {};
        std::string_view folder = all.substr(at + 1);
        const size_t slash = folder.find('/');
        if (slash == std::string_view::npos) return {};
        const std::string_view file = folder.substr(slash + 1);
        folder = folder.substr(0, slash);
        std::string_view name = folder.substr(kStorage.size());
        if (!name.empty() && !name.starts_with('-')) return {};
        if (!name.empty()) name.remove_prefix(1);
        const auto found = known.find(name);
        if (found == known.end()) return {};
        TarElements out = found->second;
        if (file == "matrix.dat") {
            out.header_bytes = 4;  // "data"
            return out;
        }
        return file.starts_with("vectors/chunk_") && file.ends_with(".mmap") ? out : TarElements{};
    };
}

void QdrantArchiveCheck::member(const TarMember& member) {
    ++members_;
    // Those of a collection lie below the shard's number.
    std::string_view path = member.path;
    if (whole_collection_) {
        if (path == "config.json") config_ = true;
        const size_t slash = path.find('/');
        if (slash == std::string_view::npos) return;
        path = path.substr(slash + 1);
    }
    if (path.starts_with("segments/")) ++segments_;
    if (path == "shard_config.json") ++shard_configs_;
    if (path == "replica_state.json") ++replica_states_;
}

void QdrantArchiveCheck::require_whole(bool ended) const {
    const auto torn = [](const std::string& what) {
        return Error(Code::damaged, "the archive is torn: " + what, "the server gave up in the middle: look at its log");
    };
    if (!ended) throw torn("its end is missing");
    if (shard_configs_ == 0) throw torn("it has no shard_config.json");
    if (replica_states_ == 0) throw torn("it has no replica_state.json");
    if (whole_collection_ && !config_) throw torn("it has no config.json");
}

QdrantArchiveCheck check_qdrant_archive(const TarBytes& bytes, uint64_t size, bool whole_collection) {
    QdrantArchiveCheck check(whole_collection);
    TarWalk walk(bytes);
    while (const auto member = walk.next(size)) {
        check.member(*member);
        if (member->next_offset() > size) throw Error(Code::damaged, "the archive is cut off within " + printable(member->path));
        // A segment of a collection's snapshot is a tar file itself.
        if (!whole_collection || member->type != '0' || !member->path.ends_with(".tar")) continue;
        TarWalk inner(bytes, member->data_offset);
        while (inner.next(member->data_offset + member->data_size)) continue;
        if (!inner.ended()) throw Error(Code::damaged, printable(member->path) + " in the archive is cut off");
    }
    check.require_whole(walk.ended());
    return check;
}

}  // namespace ingot
