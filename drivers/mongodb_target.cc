#include "drivers/mongodb_target.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/bytes.h"
#include "base/step.h"
#include "drivers/mongodb_load.h"
#include "drivers/mongodb_plan.h"
#include "drivers/mongodb_scope.h"
#include "drivers/source_paths.h"

namespace ingot {
namespace {

using Kind = MongoPlanned::Kind;
constexpr const char* kOldOf = "restore_id";  // of an old_state() only: no config has it
// Names and definitions of views, of all collections of a stack.
constexpr uint64_t kMostPlanBytes = 16 << 20;

class MongoTarget : public EngineTarget {
public:
    MongoTarget(TargetSpec target, const MongoSettings& settings, SourceSpec source)
        : target_(std::move(target)), fs_(*target_.fs), settings_(settings), source_(std::move(source)) {}

    void preflight() override {
        MongoConnection server(settings_, Code::failed);
        const MongoArtifact artifact = staged_artifact(false);
        require(server, artifact);
        for (const MongoScope::Database& database : live_scope(server, databases_of(server, artifact)).databases) {
            for (const MongoNamespace& found : database.namespaces)
                require_room_for_name(server, database.name, found.name, target_.restore_id);
        }
    }

    // Greeted and logged in by then.
    void ping() override { (void)MongoConnection(settings_, Code::failed).command("admin", Bson().set("ping", 1)); }

    void stage() override {
        MongoConnection server(settings_, Code::failed);
        load(server, true);
    }

    void prepare_undo() override {
        if (fs_.exists(in_work("plan"))) return;
        MongoConnection server(settings_, Code::failed);
        load(server, false);
        const MongoArtifact artifact = staged_artifact(true);
        replace_file(fs_, in_work("plan"), MongoPlan(artifact, live_scope(server, databases_of(server, artifact))).encode());
        step("restore.mongodb.undo-saved");
    }

    void swap() override {
        if (!fs_.exists(in_work("plan"))) throw Error(Code::failed, "a swap without a saved undo: prepare_undo() comes first");
        MongoConnection server(settings_, Code::failed);
        MongoPlan plan = saved_plan();
        if (!fs_.exists(in_work("begun"))) {
            plan.extend(live_scope(server, databases_of(server, staged_artifact(true))));
            replace_file(fs_, in_work("plan"), plan.encode());
            replace_file(fs_, in_work("begun"), {});
        }
        step("restore.mongodb.swap-begun");
        Names names = names_of(server, plan.databases());
        for (const MongoPlanned& one : plan.names()) {
            swap_one(server, names[one.database], one);
            step("restore.mongodb.renamed");
        }
        step("restore.mongodb.swapped");
    }

    void undo() override {
        if (!fs_.exists(in_work("plan")) || !fs_.exists(in_work("begun"))) return;
        MongoConnection server(settings_, Code::failed);
        const MongoPlan plan = saved_plan();
        Names names = names_of(server, plan.databases());
        for (auto one = plan.names().rbegin(); one != plan.names().rend(); ++one) undo_one(server, names[one->database], *one);
        fs_.remove(in_work("begun"));
        fs_.sync_dir(target_.work_dir);
        step("restore.mongodb.undone");
    }

    void discard() override {
        if (!fs_.exists(in_work("databases"))) return;
        MongoConnection server(settings_, Code::failed);
        Names names = names_of(server, staged_databases());
        const bool swapped = fs_.exists(in_work("begun")) && complete(names);
        const std::string fresh = mongo_name_beside("", "new", target_.restore_id);
        const std::string old = mongo_name_beside("", "old", target_.restore_id);
        for (const auto& [database, held] : names) {
            for (const auto& [name, found] : held) {
                const auto is = [&name = name](const std::string& end) {
                    return name.size() > end.size() && name.ends_with(end);
                };
                // Where the swap did not come to its end, what was set aside may be all there is.
                if (is(fresh) || (is(old) && swapped)) drop(server, database, name);
            }
        }
        step("restore.mongodb.discarded");
    }

    std::optional<SourceSpec> old_state() override {
        if (!fs_.exists(in_work("begun"))) return std::nullopt;
        SourceSpec out = source_;
        out.name = source_.name + "__old";
        out.options["databases"] = fmt::format("{}", fmt::join(saved_plan().databases(), "\n"));
        out.options[kOldOf] = target_.restore_id;
        // Counts of what no longer has these names.
        out.facts.clear();
        return out;
    }

private:
    using Held = std::map<std::string, MongoNamespace>;  // by name
    using Names = std::map<std::string, Held>;           // by database

    std::string in_work(const std::string& name) const { return join(target_.work_dir, name); }
    std::string beside(const MongoPlanned& one, std::string_view word) const {
        return mongo_name_beside(one.name, word, target_.restore_id);
    }
    MongoPlan saved_plan() const { return MongoPlan::decode(read_file(fs_, in_work("plan"), kMostPlanBytes)); }
    std::vector<std::string> staged_databases() const {
        return Bson(read_file(fs_, in_work("databases"), kMostPlanBytes), "the databases of a MongoDB restore").texts("names");
    }

    // At the first preflight nothing is staged yet.
    MongoArtifact staged_artifact(bool needed) const {
        if (!needed && !fs_.exists(path_in_artifact(target_.staged_dir, mongo_root(source_.name)))) return {};
        return read_mongo_artifact(fs_, target_.staged_dir, source_.name);
    }

    // Those of the snapshot, and those that the config names: a database that only came to be on the server later, and that
    // nobody named, is not touched.
    std::vector<std::string> databases_of(MongoConnection& server, const MongoArtifact& artifact) const {
        std::set<std::string> out;
        for (const MongoArtifact::Collection& one : artifact.collections) out.insert(one.database);
        if (out.empty() || !settings_.databases.empty() || !server.address_database().empty()) {
            for (const std::string& name : mongo_databases(server, settings_)) out.insert(name);
        }
        return {out.begin(), out.end()};
    }

    MongoScope live_scope(MongoConnection& server, std::vector<std::string> databases) const {
        MongoSettings named = settings_;
        named.databases = std::move(databases);
        return mongo_scope(server, named);
    }

    void require(MongoConnection& server, const MongoArtifact& artifact) const {
        const bool validators = std::any_of(artifact.collections.begin(), artifact.collections.end(),
                                            [](const auto& one) { return one.description.options.has("validator"); });
        require_mongo_writable(server, databases_of(server, artifact), validators);
        require_mongo_loadable(server, artifact, target_.restore_id);
    }

    Names names_of(MongoConnection& server, const std::vector<std::string>& databases) const {
        Names out;
        for (const std::string& database : databases) {
            for (MongoNamespace& found : server.namespaces(database)) out[database].emplace(found.name, std::move(found));
        }
        return out;
    }

    void load(MongoConnection& server, bool interruptible) {
        if (fs_.exists(in_work("staged"))) return;
        const MongoArtifact artifact = staged_artifact(true);
        require(server, artifact);
        const std::vector<std::string> databases = databases_of(server, artifact);
        make_dirs(fs_, target_.work_dir, 0700);
        Bson kept;
        kept.set_texts("names", databases);
        replace_file(fs_, in_work("databases"), kept.bytes());
        try {
            drop_fresh(server);
            for (const MongoArtifact::Collection& one : artifact.collections) {
                if (one.description.view) continue;
                load_mongo_collection(settings_, server, fs_, one, mongo_name_beside(one.name, "new", target_.restore_id),
                                      interruptible);
            }
        } catch (const Error&) {
            try {
                MongoConnection again(settings_, Code::failed);
                drop_fresh(again);
            } catch (const Error& error) {
                ignore_error(error, "the first error is told; discard() drops what is left");
            }
            throw;
        }
        replace_file(fs_, in_work("staged"), {});
        step("restore.mongodb.staged");
    }

    // What a load that died half way left.
    void drop_fresh(MongoConnection& server) const {
        const std::string end = mongo_name_beside("", "new", target_.restore_id);
        for (const auto& [database, held] : names_of(server, staged_databases())) {
            for (const auto& [name, found] : held) {
                if (name.size() > end.size() && name.ends_with(end)) drop(server, database, name);
            }
        }
    }

    void drop(MongoConnection& server, const std::string& database, const std::string& name) const {
        server.write(database, Bson().set("drop", name));
    }

    void rename(MongoConnection& server, Held& held, const MongoPlanned& one, const std::string& from,
                const std::string& to) const {
        if (held.contains(to)) {
            throw server.error(fmt::format("{}.{} is in the way of a rename", printable(one.database), printable(to)),
                               "stop the application that makes it, and rename that collection away");
        }
        server.write("admin", Bson().set("renameCollection", one.database + "." + from).set("to", one.database + "." + to));
        auto node = held.extract(from);
        node.key() = to;
        held.insert(std::move(node));
    }

    void make_view(MongoConnection& server, Held& held, const MongoPlanned& one, const Bson& options) const {
        server.write(one.database, Bson().set("create", one.name).set_all(options));
        MongoNamespace made;
        made.name = one.name;
        made.kind = MongoNamespace::Kind::view;
        made.options = options;
        held[one.name] = made;
    }

    void drop_view(MongoConnection& server, Held& held, const MongoPlanned& one, const Bson& options) const {
        const auto found = held.find(one.name);
        if (found == held.end() || found->second.kind != MongoNamespace::Kind::view || !(found->second.options == options))
            return;
        drop(server, one.database, one.name);
        held.erase(found);
    }

    void swap_one(MongoConnection& server, Held& held, const MongoPlanned& one) const {
        if (one.same_view()) return;
        const std::string fresh = beside(one, "new"), old = beside(one, "old");
        const bool to_come = one.wanted_collection() && held.contains(fresh);
        if (one.live == Kind::view) drop_view(server, held, one, one.live_view);
        if (one.live_collection() && !held.contains(old)) {
            const auto found = held.find(one.name);
            if (found == held.end() || found->second.uuid != one.uuid) {
                throw server.error(fmt::format("{}.{} is gone, or another collection than when this restore began",
                                               printable(one.database), printable(one.name)),
                                   "stop what makes and drops it, then run the restore again");
            }
            rename(server, held, one, one.name, old);
        }
        if (one.wanted_collection() && !to_come && !held.contains(one.name)) {
            throw server.error(fmt::format("{}.{} was staged, and is there no more", printable(one.database), printable(fresh)),
                               "somebody dropped it; run the restore again");
        }
        const bool is_wanted_view =
            one.wanted == Kind::view && held.contains(one.name) && held.at(one.name).options == one.wanted_view;
        const bool in_the_way = held.contains(one.name) && (to_come || (one.wanted != Kind::collection && !is_wanted_view));
        if (in_the_way) rename(server, held, one, one.name, beside(one, "late"));
        if (to_come) rename(server, held, one, fresh, one.name);
        if (one.wanted == Kind::view && !held.contains(one.name)) make_view(server, held, one, one.wanted_view);
    }

    void undo_one(MongoConnection& server, Held& held, const MongoPlanned& one) const {
        if (one.same_view()) return;
        const std::string fresh = beside(one, "new"), old = beside(one, "old");
        if (one.wanted == Kind::view) drop_view(server, held, one, one.wanted_view);
        const bool set_aside = !one.live_collection() || held.contains(old);
        if (one.wanted_collection() && set_aside && held.contains(one.name) && !held.contains(fresh) &&
            held.at(one.name).kind == MongoNamespace::Kind::collection)
            rename(server, held, one, one.name, fresh);
        if (one.live_collection() && held.contains(old)) {
            if (held.contains(one.name)) rename(server, held, one, one.name, beside(one, "late"));
            rename(server, held, one, old, one.name);
        }
        if (one.live == Kind::view && !held.contains(one.name)) make_view(server, held, one, one.live_view);
    }

    bool complete(Names& names) const {
        const MongoPlan plan = saved_plan();
        for (const MongoPlanned& one : plan.names()) {
            Held& held = names[one.database];
            if (one.wanted != Kind::none && !held.contains(one.name)) return false;
            if (one.wanted_collection() && held.contains(beside(one, "new"))) return false;
        }
        return true;
    }

    const TargetSpec target_;
    FileSystem& fs_;
    const MongoSettings settings_;
    const SourceSpec source_;
};

}  // namespace

std::unique_ptr<EngineTarget> make_mongo_target(TargetSpec target, const MongoSettings& settings, SourceSpec source) {
    return std::make_unique<MongoTarget>(std::move(target), settings, std::move(source));
}

std::optional<std::string> mongo_old_of(const SourceSpec& spec) {
    const auto found = spec.options.find(kOldOf);
    if (found == spec.options.end()) return std::nullopt;
    return found->second;
}

}  // namespace ingot
