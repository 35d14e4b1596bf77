#include "drivers/qdrant_load.h"

#include <fmt/format.h>

#include <chrono>
#include <thread>

#include "base/clock.h"
#include "base/error.h"
#include "base/step.h"

namespace ingot {
namespace {

// A small collection is green at once; indexes of a large one are built for minutes.
constexpr std::chrono::milliseconds kFirstTick{10}, kLongestTick{1000};

void upload_archive(QdrantApi& api, const QdrantLoad& load, const QdrantPlace& place, const std::string& path,
                    const std::string& checksum) {
    const auto file = load.fs.open(path);
    HttpUpload upload;
    upload.size = file->size();
    upload.read_at = [&](uint64_t offset, std::span<uint8_t> out) { return file->read_at(offset, out); };
    api.upload(place, std::move(upload), checksum);
    // The server keeps what was uploaded, beside what it made of it. All there is of this collection is ours.
    for (const std::string& name : api.snapshots(place)) api.delete_snapshot(place, name);
}

void wait_until_green(QdrantApi& api, const QdrantLoad& load, const std::string& name) {
    const int64_t until_ns = mono_now_ns() + load.settings.snapshot_timeout_ms * 1'000'000;
    bool triggered = false;
    for (auto tick = kFirstTick;; tick = std::min(tick * 2, kLongestTick)) {
        const auto info = api.info(name);
        if (!info)
            throw Error(Code::failed,
                        fmt::format("{}: collection {} vanished while it was loaded", api.shown(), printable(name)));
        if (info->status == "green") return;
        if (info->status == "red") {
            throw Error(Code::failed,
                        fmt::format("{}: collection {} is red after it was loaded: {}", api.shown(), printable(name),
                                    printable(info->optimizer_status)),
                        "the server's log says why");
        }
        // After a load its optimizers wait for an update, which is this.
        if (info->status == "grey" && !triggered) {
            api.trigger_optimizers(name);
            triggered = true;
        }
        if (mono_now_ns() >= until_ns) {
            throw Error(Code::failed,
                        fmt::format("{}: collection {} is still {}", api.shown(), printable(name), printable(info->status)),
                        "its indexes are being built: give more time with `snapshot_timeout`");
        }
        std::this_thread::sleep_for(tick);
    }
}

}  // namespace

EngineMatch match_qdrant_versions(const std::string& recorded, const std::string& live, const QdrantSettings& settings) {
    EngineMatch out{.verdict = Verdict::fine, .then = recorded, .now = live, .why = {}, .hint = {}};
    if (recorded.empty()) return out;
    // "1.19.0" -> "1.19"
    const auto minor = [](const std::string& version) { return version.substr(0, version.find('.', version.find('.') + 1)); };
    const auto patch = [](const std::string& version) {
        return std::strtol(version.c_str() + version.find_last_of('.') + 1, nullptr, 10);
    };
    if (minor(recorded) != minor(live)) {
        out.verdict = Verdict::refused;
        out.why = fmt::format("{}: the snapshot is of Qdrant {}, and the server is {}", settings.shown(), recorded, live);
        out.hint = fmt::format("Qdrant loads snapshots of its own minor version only: run Qdrant {}", minor(recorded));
    } else if (patch(live) < patch(recorded)) {
        out.verdict = Verdict::warning;
        out.why = fmt::format("{}: the snapshot is of Qdrant {}, and the server is older, {}", settings.shown(), recorded, live);
        out.hint = fmt::format("Qdrant promises only that the same or a newer patch loads it: run Qdrant {} or newer", recorded);
    }
    return out;
}

void require_qdrant_version(const std::string& recorded, const std::string& live, const QdrantSettings& settings) {
    const EngineMatch match = match_qdrant_versions(recorded, live, settings);
    if (match.verdict == Verdict::refused) throw Error(Code::incompatible, match.why, match.hint);
}

void load_qdrant_collection(QdrantApi& api, const QdrantLoad& load, const QdrantCollection& collection, const std::string& name) {
    const std::string& source = load.settings.source;
    api.remove(name);
    try {
        const std::vector<std::string> archives = qdrant_archives(source, collection);
        if (collection.shards.empty()) {
            upload_archive(api, load, {name, std::nullopt}, load.path_of(archives[0]), collection.checksum);
        } else {
            api.create(name, collection.config);
            step("restore.qdrant.created");
            for (size_t i = 0; i < archives.size(); ++i)
                upload_archive(api, load, {name, collection.shards[i]}, load.path_of(archives[i]), "");
        }
        api.create_indexes(name, collection.payload_schema);
        wait_until_green(api, load, name);
        const uint64_t points = api.count(name);
        if (collection.points && points != *collection.points) {
            throw Error(Code::failed,
                        fmt::format("{}: {} was loaded with {} points, and had {} when it was pinned", api.shown(),
                                    printable(collection.name), points, *collection.points),
                        "choose another snapshot; the server's log says what it left out");
        }
    } catch (const Error&) {
        try {
            QdrantApi(load.settings, Code::failed, false).remove(name);
        } catch (const Error& error) {
            ignore_error(error, "discard() removes it; why it was not loaded is what matters");
        }
        throw;
    }
    step("restore.qdrant.loaded");
}

}  // namespace ingot
