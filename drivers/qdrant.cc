#include "drivers/qdrant.h"

#include <fmt/format.h>

#include "base/error.h"
#include "drivers/qdrant_load.h"
#include "drivers/qdrant_pin.h"
#include "drivers/qdrant_record.h"
#include "drivers/qdrant_scratch.h"
#include "drivers/qdrant_search.h"
#include "drivers/qdrant_target.h"
#include "drivers/source_paths.h"

namespace ingot {

QdrantDriver::QdrantDriver(SourceSpec source_spec) : Driver(std::move(source_spec)), settings_(qdrant_settings(spec())) {}

void QdrantDriver::prepare() {
    QdrantApi api(settings_, Code::source);
    const QdrantRecord record = find_qdrant_collections(api, settings_, Code::source);
    if (settings_.method == QdrantMethod::stream && !qdrant_at_least(record.version, 1, 12)) {
        throw Error(Code::source, fmt::format("{}: Qdrant {} does not stream shards", settings_.shown(), record.version),
                    "leave `method` out, or use Qdrant 1.12 or newer");
    }
}

std::unique_ptr<Pin> QdrantDriver::pin() { return make_qdrant_pin(settings_, spec()); }

std::vector<SourceRoot> QdrantDriver::roots() const { return {{spec().name + ".qdrant", ""}}; }

Facts QdrantDriver::open_artifact(const std::string& dir) {
    FileSystem& fs = real_filesystem();
    const auto missing = [&](const std::string& path) {
        return Error(Code::damaged, fmt::format("the artifact of {} does not hold {}", spec().name, printable(path)),
                     "this snapshot is of a source of another name or kind, or is not whole: choose another snapshot");
    };
    const std::string record_path = qdrant_record_path(spec().name);
    if (!fs.file_size(path_in_artifact(dir, record_path))) throw missing(record_path);
    const QdrantRecord record = read_qdrant_record(fs, path_in_artifact(dir, record_path));
    int64_t members = 0;
    for (const QdrantCollection& collection : record.collections) {
        for (const std::string& path : qdrant_archives(spec().name, collection)) {
            const std::string at = path_in_artifact(dir, path);
            if (!fs.file_size(at)) throw missing(path);
            const auto file = fs.open(at);
            const TarBytes bytes = [&](uint64_t offset, std::span<uint8_t> out) { return file->read_at(offset, out); };
            try {
                members += static_cast<int64_t>(check_qdrant_archive(bytes, file->size(), collection.shards.empty()).members());
            } catch (const Error& error) {
                if (error.code() != Code::damaged) throw;
                throw Error(Code::damaged, fmt::format("{}: {}", printable(path), error.what()), "choose another snapshot");
            }
        }
    }
    Facts out;
    out["version"] = record.version;
    out["collections"] = static_cast<int64_t>(record.collections.size());
    out["archive_members"] = members;
    return out;
}

Fact QdrantDriver::ask_live(const std::string& question) {
    const auto [collection, filter] = qdrant_fact(question);
    return static_cast<int64_t>(QdrantApi(settings_, Code::failed).count(settings_.collection(collection), filter));
}

std::optional<EngineMatch> QdrantDriver::match_engine(const Facts& then) {
    return match_qdrant_versions(text_fact(then, "version"), QdrantApi(settings_, Code::failed).version(), settings_);
}

std::unique_ptr<EngineTarget> QdrantDriver::engine_target(const TargetSpec& target) {
    return make_qdrant_target(target, settings_, spec());
}

std::vector<TopKQuery> QdrantDriver::top_k_live(const TopKRequest& request) {
    QdrantApi api(settings_, Code::failed);
    return search_qdrant(api, settings_, request);
}

std::unique_ptr<ScratchTarget> QdrantDriver::scratch_target(const ScratchSpec& scratch) {
    if (!settings_.scratch_collections) return nullptr;
    return make_qdrant_scratch(scratch, settings_, spec());
}

}  // namespace ingot
