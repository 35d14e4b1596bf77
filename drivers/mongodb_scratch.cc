#include "drivers/mongodb_scratch.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/step.h"
#include "drivers/mongodb_load.h"
#include "drivers/mongodb_scope.h"

namespace ingot {
namespace {

class MongoScratch : public ScratchTarget {
public:
    MongoScratch(const ScratchSpec& scratch, const MongoSettings& settings, SourceSpec spec)
        : scratch_(scratch), settings_(settings), spec_(std::move(spec)), prefix_(std::string(kMongoDrill) + scratch.id + "_") {}

    std::string shown() const override { return fmt::format("the databases {}* of {}", prefix_, settings_.shown()); }

    Facts load() override {
        MongoArtifact artifact = read_mongo_artifact(real_filesystem(), scratch_.artifact_dir, settings_.source);
        MongoConnection server(settings_, Code::failed);
        bool validators = false;
        std::vector<std::string> made;
        for (MongoArtifact::Collection& one : artifact.collections) {
            if (one.database.starts_with(kMongoDrill)) {
                throw Error(Code::usage, fmt::format("{} is a name of what a drill makes and drops", printable(one.database)),
                            "rename that database, or leave it out of `databases`");
            }
            const auto [place, fresh] = settings_.stands_for.emplace(one.database, prefix_ + std::to_string(made.size()));
            if (fresh) made.push_back(place->second);
            one.database = place->second;
            validators = validators || one.description.options.has("validator");
        }
        try {
            require_mongo_writable(server, made, validators);
        } catch (const Error& error) {
            throw Error(
                error.code(), error.what(),
                "give the user the role `readWriteAnyDatabase` (and `restore`), or say scratch = \"files\" in the config");
        }
        require_mongo_loadable(server, artifact, scratch_.id);
        int64_t documents = 0, collections = 0;
        for (const MongoArtifact::Collection& one : artifact.collections) {
            if (one.description.view) continue;
            load_mongo_collection(settings_, server, real_filesystem(), one, one.name, true);
            documents += server.count(one.database, one.name);
            ++collections;
        }
        for (const MongoArtifact::Collection& one : artifact.collections) {
            if (one.description.view) server.write(one.database, Bson().set("create", one.name).set_all(one.description.options));
        }
        step("drill.mongodb.loaded");
        Facts out{{"scratch", shown()}, {"documents", documents}, {"collections", collections}};
        for (const auto& [name, count] : settings_.facts)
            out[name] = mongo_count_of(server, named(), count, fmt::format("the fact {}", name), false);
        return out;
    }

    SourceSpec source() const override {
        SourceSpec out = spec_;
        std::string databases, lines;
        for (const auto& [name, other] : settings_.stands_for) {
            databases += (databases.empty() ? "" : "\n") + name;
            lines += (lines.empty() ? "" : "\n") + name + "\t" + other;
        }
        out.options["databases"] = databases;
        out.options[kMongoStandsFor] = lines;
        return out;
    }

    void remove() override {
        MongoConnection server(settings_, Code::failed);
        for (const std::string& name : server.databases()) {
            if (!name.starts_with(prefix_)) continue;
            try {
                server.write(name, Bson().set("dropDatabase", 1));
            } catch (const Error& error) {
                throw Error(Code::failed, fmt::format("the database {} stays: {}", printable(name), error.what()),
                            fmt::format("db.getSiblingDB(\"{}\").dropDatabase()", printable(name)));
            }
        }
        step("drill.mongodb.dropped");
    }

private:
    // A question without a database means the only one of the snapshot.
    MongoSettings named() const {
        MongoSettings out = settings_;
        out.databases.clear();
        for (const auto& [name, other] : settings_.stands_for) out.databases.push_back(name);
        return out;
    }

    const ScratchSpec scratch_;
    MongoSettings settings_;  // with what stands for what
    const SourceSpec spec_;
    const std::string prefix_;
};

}  // namespace

std::unique_ptr<ScratchTarget> make_mongo_scratch(const ScratchSpec& scratch, const MongoSettings& settings,
                                                  const SourceSpec& spec) {
    return std::make_unique<MongoScratch>(scratch, settings, spec);
}

}  // namespace ingot
