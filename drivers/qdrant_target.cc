#include "drivers/qdrant_target.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/error.h"
#include "base/step.h"
#include "drivers/qdrant_download.h"
#include "drivers/qdrant_load.h"
#include "drivers/qdrant_pin.h"
#include "drivers/qdrant_plan.h"
#include "drivers/source_paths.h"

namespace ingot {
namespace {

constexpr uint64_t kMostPlanBytes = 64 << 20;
constexpr size_t kCopyBytes = 1 << 20;

class QdrantTarget : public EngineTarget {
public:
    QdrantTarget(TargetSpec spec, const QdrantSettings& settings, const SourceSpec& source)
        : spec_(std::move(spec)), fs_(*spec_.fs), settings_(settings), source_(source) {}

    void preflight() override {
        QdrantApi api(settings_, Code::failed);
        const std::string version = api.version();
        (void)api.collections();
        if (!fs_.exists(staged_record())) return;
        require_qdrant_version(record().version, version, settings_);
        if (!fs_.exists(in_work("plan"))) (void)plan_now(api);
    }

    void ping() override { (void)QdrantApi(settings_, Code::failed).version(); }

    void stage() override {
        QdrantApi api(settings_, Code::failed);
        load(api);
        step("restore.qdrant.staged");
    }

    void prepare_undo() override {
        if (fs_.exists(in_work("plan"))) return;
        make_dirs(fs_, spec_.work_dir, 0700);
        QdrantApi api(settings_, Code::failed);
        load(api);
        const QdrantPlan plan = plan_now(api);
        keep_old(api, plan);
        replace_file(fs_, in_work("plan"), encode_qdrant_plan(plan));
        step("restore.qdrant.undo-saved");
    }

    void swap() override {
        if (!fs_.exists(in_work("plan"))) throw Error(Code::failed, "a swap without a saved undo: prepare_undo() comes first");
        QdrantApi api(settings_, Code::failed, false);
        const QdrantPlan plan = saved();
        load(api);
        const std::vector<std::string> there = api.collections();
        for (const QdrantSwitch& one : plan.switches) {
            if (!one.by_name || !is_in(there, one.name)) continue;
            // From here until the aliases are switched nothing answers to the name.
            api.remove(one.name);
            step("restore.qdrant.removed");
        }
        QdrantAliases wanted;
        std::set<std::string> unwanted;
        for (const QdrantSwitch& one : plan.switches) {
            unwanted.insert(one.before.begin(), one.before.end());
            for (const std::string& alias : one.after) wanted[alias] = one.fresh;
        }
        set_aliases(api, wanted, unwanted);
        step("restore.qdrant.swapped");
    }

    void undo() override {
        if (!fs_.exists(in_work("plan"))) return;
        QdrantApi api(settings_, Code::failed, false);
        const QdrantPlan plan = saved();
        const std::vector<std::string> there = api.collections();
        QdrantAliases wanted;
        std::set<std::string> unwanted;
        for (const QdrantSwitch& one : plan.switches) {
            unwanted.insert(one.after.begin(), one.after.end());
            std::string old_name = one.old_name;
            if (one.live != QdrantSwitch::Live::none && !is_in(there, old_name)) {
                if (!one.by_name) {
                    throw Error(Code::failed, fmt::format("{}: the old collection {} is gone", api.shown(), printable(old_name)),
                                "somebody deleted it; put another snapshot back");
                }
                old_name = load_old(api, one, there);
                wanted[one.name] = old_name;
            }
            for (const std::string& alias : one.before) wanted[alias] = old_name;
        }
        set_aliases(api, wanted, unwanted);
        step("restore.qdrant.undone");
    }

    void discard() override {
        if (!fs_.exists(in_work("names"))) return;
        QdrantApi api(settings_, Code::failed, false);
        const std::vector<std::string> there = api.collections();
        const auto is_live = [](const QdrantAliases& aliases, const std::string& collection) {
            return std::any_of(aliases.begin(), aliases.end(), [&](const auto& alias) { return alias.second == collection; });
        };
        const QdrantAliases aliases = api.aliases();
        if (fs_.exists(in_work("plan"))) {
            for (const QdrantSwitch& one : saved().switches) {
                if (!is_live(aliases, one.fresh)) continue;
                if (!one.old_name.empty() && is_in(there, one.old_name)) api.remove(one.old_name);
                // The name that the old collection had leads to the new one from now on.
                if (const auto now = api.aliases(); !now.contains(one.name)) api.change_aliases({}, {{one.name, one.fresh}});
            }
        }
        for (const std::string& fresh : names()) {
            if (is_in(there, fresh) && !is_live(aliases, fresh)) api.remove(fresh);
        }
        step("restore.qdrant.discarded");
    }

    std::optional<SourceSpec> old_state() override {
        if (!fs_.exists(in_work("plan"))) return std::nullopt;
        QdrantApi api(settings_, Code::failed, false);
        const QdrantAliases aliases = api.aliases();
        const std::vector<std::string> there = api.collections();
        std::string old, known_as;
        for (const QdrantSwitch& one : saved().switches) {
            const bool switched =
                std::any_of(aliases.begin(), aliases.end(), [&](const auto& alias) { return alias.second == one.fresh; });
            if (!switched || one.by_name || one.old_name.empty() || !is_in(there, one.old_name)) continue;
            old += (old.empty() ? "" : "\n") + one.old_name;
            // Its record is to say the names that it had, or a restore of it would switch others.
            known_as += (known_as.empty() ? "" : "\n") + one.old_name + "\t" + one.name;
            for (const std::string& alias : one.before) {
                if (alias != one.name) known_as += "\t" + alias;
            }
        }
        if (old.empty()) return std::nullopt;
        SourceSpec out = source_;
        out.name += "__old";
        out.options["collections"] = old;
        out.options[kQdrantKnownAs] = known_as;
        out.facts.clear();
        return out;
    }

    std::vector<ReplacedFile> replaced() override {
        std::vector<ReplacedFile> out;
        if (!fs_.exists(in_work("old-record"))) return out;
        out.push_back({in_work("old-record"), qdrant_record_path(settings_.source)});
        for (const QdrantCollection& of : read_qdrant_record(fs_, in_work("old-record")).collections) {
            for (const std::string& path : qdrant_archives(settings_.source, of)) out.push_back({old_path(path), path});
        }
        return out;
    }

private:
    static bool is_in(const std::vector<std::string>& sorted, const std::string& name) {
        return std::binary_search(sorted.begin(), sorted.end(), name);
    }
    std::string in_work(const std::string& name) const { return join(spec_.work_dir, name); }
    std::string staged_record() const { return path_in_artifact(spec_.staged_dir, qdrant_record_path(settings_.source)); }
    QdrantRecord record() const { return read_qdrant_record(fs_, staged_record()); }
    QdrantPlan saved() const { return decode_qdrant_plan(read_file(fs_, in_work("plan"), kMostPlanBytes)); }
    std::string old_path(const std::string& listing_path) const { return join(in_work("old"), listing_path); }

    QdrantPlan plan_now(QdrantApi& api) const {
        return make_qdrant_plan(record(), api.collections(), api.aliases(), settings_.cutover, spec_.restore_id);
    }

    std::vector<std::string> names() const {
        const Bytes bytes = read_file(fs_, in_work("names"), kMostPlanBytes);
        Decoder in(bytes, "the names of a qdrant restore");
        std::vector<std::string> out(in.count(4));
        for (std::string& name : out) name = in.prefixed_text(kMostPlanBytes);
        in.finish();
        return out;
    }

    // Nothing to do where all of them are there and were found right; what was half loaded is made anew.
    void load(QdrantApi& api) {
        const std::vector<std::string> there = api.collections();
        const bool loaded = fs_.exists(in_work("staged"));
        if (loaded) {
            const std::vector<std::string> wanted = names();
            if (std::all_of(wanted.begin(), wanted.end(), [&](const std::string& name) { return is_in(there, name); })) return;
        }
        const QdrantRecord snapshot = record();
        require_qdrant_version(snapshot.version, api.version(), settings_);
        if (!fs_.exists(in_work("plan"))) (void)plan_now(api);
        make_dirs(fs_, spec_.work_dir, 0700);
        Encoder out;
        out.u32(static_cast<uint32_t>(snapshot.collections.size()));
        for (const QdrantCollection& of : snapshot.collections) out.prefixed(qdrant_fresh_name(of.name, spec_.restore_id));
        replace_file(fs_, in_work("names"), out.bytes());
        const QdrantLoad load{fs_, settings_, [&](const std::string& path) { return path_in_artifact(spec_.staged_dir, path); }};
        for (const QdrantCollection& of : snapshot.collections) {
            const std::string fresh = qdrant_fresh_name(of.name, spec_.restore_id);
            // Of those that were loaded some may be live already.
            if (loaded && is_in(there, fresh)) continue;
            load_qdrant_collection(api, load, of, fresh);
        }
        replace_file(fs_, in_work("staged"), {});
    }

    // A switch by name deletes the old collection: what it holds is kept here first.
    void keep_old(QdrantApi& api, const QdrantPlan& plan) {
        QdrantSettings only = settings_;
        only.collections.clear();
        for (const QdrantSwitch& one : plan.switches) {
            if (one.by_name) only.collections.push_back(one.name);
        }
        if (only.collections.empty()) return;
        if (fs_.exists(in_work("old"))) remove_tree(fs_, in_work("old"));
        QdrantRecord old = find_qdrant_collections(api, only, Code::failed, QdrantStatus::any);
        for (QdrantCollection& of : old.collections) {
            if (!qdrant_streams(settings_, old.version)) of.shards.clear();
            const std::vector<std::string> archives = qdrant_archives(settings_.source, of);
            api.drain_updates(of.real_name);
            of.points = api.count(of.real_name);
            make_dirs(fs_, parent_of(old_path(archives[0])), 0700);
            for (size_t i = 0; i < archives.size(); ++i) {
                const auto shard = of.shards.empty() ? std::nullopt : std::optional(of.shards[i]);
                QdrantDownload download(settings_, of.real_name, shard, spec_.work_dir, Code::failed);
                download.wait();
                of.checksum = download.checksum();
                write_old(download, old_path(archives[i]));
            }
            // Writers are stopped: what is counted before and after is what the archives hold.
            if (api.count(of.real_name) != *of.points) {
                throw Error(Code::failed,
                            fmt::format("{}: {} was written to while the old state was kept", api.shown(), printable(of.name)),
                            "stop what writes to it (stop hooks of the config), then run the restore again");
            }
            fs_.sync_dir(parent_of(old_path(archives[0])));
        }
        replace_file(fs_, in_work("old-record"), view_of(encode_qdrant_record(old)));
    }

    void write_old(const QdrantDownload& download, const std::string& path) {
        const auto file = fs_.create(path, 0600);
        Bytes bytes(kCopyBytes);
        for (uint64_t offset = 0; offset < download.spool().size();) {
            const size_t n = download.spool().read_at(offset, bytes);
            file->append(ByteView(bytes).first(n));
            offset += n;
        }
        file->sync();
    }

    // The old collection, loaded again where that was not done before. Its name is another one; the old name leads to it.
    std::string load_old(QdrantApi& api, const QdrantSwitch& one, const std::vector<std::string>& there) {
        const std::string name = one.undone;
        const std::string done = in_work("undone-" + percent_encoded(name));
        if (fs_.exists(done) && is_in(there, name)) return name;
        const QdrantRecord old = read_qdrant_record(fs_, in_work("old-record"));
        const auto of =
            std::find_if(old.collections.begin(), old.collections.end(), [&](const auto& it) { return it.name == one.name; });
        if (of == old.collections.end()) throw Error(Code::damaged, "the kept old state lacks " + printable(one.name));
        load_qdrant_collection(api, {fs_, settings_, [&](const std::string& path) { return old_path(path); }}, *of, name);
        replace_file(fs_, done, {});
        return name;
    }

    // Makes the aliases of `wanted` lead there, and those of `unwanted` that are not among them vanish, in one step.
    static void set_aliases(QdrantApi& api, const QdrantAliases& wanted, const std::set<std::string>& unwanted) {
        const QdrantAliases now = api.aliases();
        std::vector<std::string> remove;
        QdrantAliases add;
        for (const auto& [alias, collection] : wanted) {
            const auto found = now.find(alias);
            if (found != now.end() && found->second == collection) continue;
            if (found != now.end()) remove.push_back(alias);
            add[alias] = collection;
        }
        for (const std::string& alias : unwanted) {
            if (now.contains(alias) && !wanted.contains(alias)) remove.push_back(alias);
        }
        api.change_aliases(remove, add);
        const QdrantAliases then = api.aliases();
        for (const auto& [alias, collection] : wanted) {
            const auto found = then.find(alias);
            if (found != then.end() && found->second == collection) continue;
            throw Error(Code::failed,
                        fmt::format("{}: the alias {} was switched, and does not lead to {}", api.shown(), printable(alias),
                                    printable(collection)),
                        "does something else change aliases?");
        }
    }

    TargetSpec spec_;
    FileSystem& fs_;
    const QdrantSettings& settings_;
    const SourceSpec& source_;
};

}  // namespace

std::unique_ptr<EngineTarget> make_qdrant_target(const TargetSpec& target, const QdrantSettings& settings,
                                                 const SourceSpec& source) {
    return std::make_unique<QdrantTarget>(target, settings, source);
}

}  // namespace ingot
