#include "drivers/qdrant_scratch.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/interrupt.h"
#include "base/step.h"
#include "drivers/qdrant_load.h"
#include "drivers/source_paths.h"

namespace ingot {
namespace {

// Qdrant's own limit of a collection's name.
constexpr size_t kMostNameBytes = 255;

class QdrantScratch : public ScratchTarget {
public:
    QdrantScratch(const ScratchSpec& scratch, const QdrantSettings& settings, SourceSpec spec)
        : scratch_(scratch), settings_(settings), spec_(std::move(spec)), end_(std::string(kQdrantDrill) + scratch.id) {}

    std::string shown() const override { return fmt::format("the collections *{} of {}", end_, settings_.shown()); }

    Facts load() override {
        const QdrantRecord record =
            read_qdrant_record(*scratch_.fs, path_in_artifact(scratch_.artifact_dir, qdrant_record_path(settings_.source)));
        QdrantApi api(settings_, Code::failed);
        require_qdrant_version(record.version, api.version(), settings_);
        for (const QdrantCollection& of : record.collections) {
            if (of.name.find(kQdrantDrill) != std::string::npos) {
                throw Error(Code::usage, fmt::format("{} is a name of what a drill makes and removes", printable(of.name)),
                            "rename that collection, or leave it out of `collections`");
            }
            if (of.name.size() + end_.size() > kMostNameBytes) {
                throw Error(Code::failed,
                            fmt::format("collection {}: its name is too long for another one beside it", printable(of.name)),
                            "say scratch = \"files\" in the config");
            }
        }
        const QdrantLoad load{*scratch_.fs, settings_,
                              [&](const std::string& path) { return path_in_artifact(scratch_.artifact_dir, path); }};
        bool counted = true;
        for (const QdrantCollection& of : record.collections) {
            check_interrupted();
            load_qdrant_collection(api, load, of, of.name + end_);
            names_[of.name] = of.name + end_;
            for (const std::string& alias : of.aliases) names_[alias] = of.name + end_;
            names_.emplace(of.real_name, of.name + end_);
            counted = counted && of.points.has_value();
        }
        step("drill.qdrant.loaded");
        Facts out{{"scratch", shown()}, {"collections", static_cast<int64_t>(record.collections.size())}};
        // What changed while it was pinned has no number that it must have.
        if (!counted) return out;
        int64_t points = 0;
        for (const QdrantCollection& of : record.collections) {
            const auto count = static_cast<int64_t>(api.count(of.name + end_));
            out["points_" + of.name] = count;
            points += count;
        }
        out["points"] = points;
        for (const auto& [name, text] : settings_.facts) {
            const auto [collection, filter] = qdrant_fact(text);
            const auto found = names_.find(collection);
            if (found != names_.end()) out[name] = static_cast<int64_t>(api.count(found->second, filter));
        }
        return out;
    }

    SourceSpec source() const override {
        SourceSpec out = spec_;
        std::string lines;
        for (const auto& [name, collection] : names_) lines += (lines.empty() ? "" : "\n") + name + "\t" + collection;
        out.options[kQdrantStandsFor] = lines;
        return out;
    }

    void remove() override {
        QdrantApi api(settings_, Code::failed, false);
        for (const std::string& collection : api.collections()) {
            if (!collection.ends_with(end_)) continue;
            try {
                api.remove(collection);
            } catch (const Error& error) {
                throw Error(Code::failed, fmt::format("the collection {} stays: {}", printable(collection), error.what()),
                            "DELETE /collections/" + printable(collection));
            }
        }
        step("drill.qdrant.removed");
    }

private:
    const ScratchSpec scratch_;
    const QdrantSettings& settings_;
    const SourceSpec spec_;
    const std::string end_;
    std::map<std::string, std::string> names_;  // of the source -> of the scratch collection
};

}  // namespace

std::unique_ptr<ScratchTarget> make_qdrant_scratch(const ScratchSpec& scratch, const QdrantSettings& settings,
                                                   const SourceSpec& spec) {
    return std::make_unique<QdrantScratch>(scratch, settings, spec);
}

}  // namespace ingot
