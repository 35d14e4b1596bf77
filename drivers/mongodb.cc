#include "drivers/mongodb.h"

#include <fmt/format.h>

#include "base/error.h"
#include "drivers/mongodb_files.h"
#include "drivers/mongodb_load.h"
#include "drivers/mongodb_pin.h"
#include "drivers/mongodb_scope.h"
#include "drivers/mongodb_scratch.h"
#include "drivers/mongodb_target.h"

namespace ingot {

MongoDriver::MongoDriver(SourceSpec source_spec)
    : Driver(std::move(source_spec)), settings_(mongo_settings(spec())), old_of_(mongo_old_of(spec())) {}

MongoDriver::~MongoDriver() = default;

void MongoDriver::prepare() {
    warm_ = std::make_unique<MongoConnection>(settings_, Code::source);
    const MongoScope scope = old_of_ ? mongo_set_aside(*warm_, settings_, *old_of_) : mongo_scope(*warm_, settings_);
    if (scope.databases.empty()) {
        throw warm_->error("there is no collection in the databases of this source",
                           "are `databases`, or the name at the end of the address, right?");
    }
}

std::unique_ptr<Pin> MongoDriver::pin() {
    auto connection = std::move(warm_);
    if (connection == nullptr) connection = std::make_unique<MongoConnection>(settings_, Code::source);
    return make_mongo_pin(settings_, std::move(connection), spec().spool_dir, old_of_);
}

std::vector<SourceRoot> MongoDriver::roots() const { return {{mongo_root(spec().name), ""}}; }

Facts MongoDriver::open_artifact(const std::string& dir) {
    const MongoArtifact artifact = read_mongo_artifact(real_filesystem(), dir, spec().name);
    int64_t documents = 0, collections = 0;
    for (const MongoArtifact::Collection& one : artifact.collections) {
        if (one.description.view) continue;
        check_mongo_documents(real_filesystem(), one);
        documents += one.description.documents;
        ++collections;
    }
    return {{"server_version", artifact.version}, {"documents", documents}, {"collections", collections}};
}

Fact MongoDriver::ask_live(const std::string& question) {
    const MongoSettings::Count count = mongo_count(question, Code::failed);
    MongoConnection connection(settings_, Code::failed);
    return mongo_count_of(connection, settings_, count, "the question", false);
}

std::optional<EngineMatch> MongoDriver::match_engine(const Facts& then) {
    MongoConnection connection(settings_, Code::failed);
    EngineMatch out = match_mongo_versions(text_fact(then, "server_version"), connection.server().version);
    if (!out.why.empty()) out.why = connection.error(out.why).what();
    return out;
}

std::unique_ptr<EngineTarget> MongoDriver::engine_target(const TargetSpec& target) {
    return make_mongo_target(target, settings_, spec());
}

std::unique_ptr<ScratchTarget> MongoDriver::scratch_target(const ScratchSpec& scratch) {
    if (!settings_.scratch_database) return nullptr;
    return make_mongo_scratch(scratch, settings_, spec());
}

}  // namespace ingot
