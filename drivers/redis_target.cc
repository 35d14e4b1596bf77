#include "drivers/redis_target.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/error.h"
#include "base/step.h"
#include "drivers/redis_load.h"
#include "drivers/redis_persist.h"
#include "drivers/redis_server.h"
#include "drivers/source_paths.h"

namespace ingot {
namespace {

constexpr std::string_view kPlanMagic = "ingot-redis-plan 1\n";
// What the server keeps of a key beside its bytes, where the dump does not say what it all took.
constexpr uint64_t kKeyBytes = 100;
// RESTORE's payload is one bulk string; 512 MiB where nobody says otherwise.
constexpr const char* kBulkBytes = "536870912";
// Code of libraries is text that people wrote; the server itself takes no more at once.
constexpr uint64_t kMostFunctionBytes = 512 << 20;
// Own keys of options that only old_state() sets.
constexpr const char* kDatabases = " databases";
constexpr const char* kMarker = " marker";

// Live database -> the spare one beside it.
using Plan = std::map<uint32_t, uint32_t>;

struct FileBytes {
    FileBytes(FileSystem& fs, const std::string& path) : file(fs.open(path)) {
        bytes = {file->size(), [this](uint64_t offset, std::span<uint8_t> out) { return file->read_at(offset, out); }};
    }
    FileBytes(const FileBytes&) = delete;
    FileBytes& operator=(const FileBytes&) = delete;
    std::unique_ptr<ReadFile> file;
    RdbBytes bytes;
};

class RedisTarget : public EngineTarget {
public:
    RedisTarget(TargetSpec target, const RedisSettings& settings, const SourceSpec& source, const std::string& root)
        : spec_(std::move(target)),
          fs_(*spec_.fs),
          settings_(settings),
          source_(source),
          root_(root),
          marker_("ingot:restore:" + spec_.restore_id) {}

    void preflight() override {
        RedisConnection server(settings_, Code::failed);
        require_restorable(server);
        if (has_plan()) return;
        std::set<uint32_t> live = redis_used_databases(server);
        live.insert(0);
        (void)plan_for(server, live, {});
    }

    void ping() override { (void)RedisConnection(settings_, Code::failed).call({"PING"}); }

    void stage() override {
        RedisConnection server(settings_, Code::failed);
        if (state(server) == State::none) load(server);
        step("restore.redis.staged");
    }

    void prepare_undo() override {
        if (saved()) return;
        make_dirs(fs_, spec_.work_dir, 0700);
        RedisConnection server(settings_, Code::failed);
        if (state(server) == State::none) load(server);
        extend_plan(server);
        if (const auto live = live_functions(server); live && libraries_in(*live) != libraries_in(kept("functions.new")))
            replace_file(fs_, in_work("functions"), view_of(*live));
        replace_file(fs_, in_work("undo"), {});
        step("restore.redis.undo-saved");
    }

    void swap() override {
        if (!saved()) throw Error(Code::failed, "a swap without a saved undo: prepare_undo() comes first");
        RedisConnection server(settings_, Code::failed);
        State now = state(server);
        // The server came back from a crash without what was staged.
        if (now == State::none) {
            load(server);
            extend_plan(server);
            now = State::fresh;
        }
        if (now == State::fresh) {
            if (!begun()) replace_file(fs_, in_work("begun"), {});
            step("restore.redis.swap-begun");
            std::optional<std::string> functions;
            if (fs_.exists(in_work("functions"))) functions = kept("functions.new");
            exchange(server, "old", functions);
            step("restore.redis.exchanged");
        }
        make_redis_durable(server, settings_.save_timeout_ms);
        step("restore.redis.swapped");
    }

    void undo() override {
        if (!saved() || !begun()) return;
        RedisConnection server(settings_, Code::failed);
        if (state(server) == State::old) {
            std::optional<std::string> functions;
            if (fs_.exists(in_work("functions"))) functions = kept("functions");
            exchange(server, "new", functions);
        }
        // Also where nothing was swapped: a swap that was not durable yet may have been saved meanwhile.
        make_redis_durable(server, settings_.save_timeout_ms);
        fs_.remove(in_work("begun"));
        fs_.sync_dir(spec_.work_dir);
        step("restore.redis.undone");
    }

    void discard() override {
        if (!has_plan()) return;
        RedisConnection server(settings_, Code::failed);
        for (const auto& [live, spare] : plan()) empty(server, spare);
        // Else a server that is killed comes back with them.
        make_redis_durable(server, settings_.save_timeout_ms);
        step("restore.redis.discarded");
    }

    std::optional<SourceSpec> old_state() override {
        if (!has_plan() || !begun()) return std::nullopt;
        SourceSpec out = source_;
        out.name = source_.name + "__old";
        for (const auto& [live, spare] : plan()) out.options[kDatabases] += fmt::format("{} {} ", spare, live);
        out.options[kMarker] = marker_;
        return out;
    }

    std::string old_place() override {
        std::string out;
        for (const auto& [live, spare] : plan())
            out += fmt::format("{}{} (was {})", out.empty() ? "database " : ", ", spare, live);
        return out;
    }

private:
    enum class State { none, fresh, old };

    std::string in_work(const std::string& name) const { return join(spec_.work_dir, name); }
    std::string staged(const std::string& name) const { return path_in_artifact(spec_.staged_dir, root_ + "/" + name); }
    std::string kept(const std::string& name) const {
        return std::string(text_of(read_file(fs_, in_work(name), kMostFunctionBytes)));
    }
    bool has_plan() const { return fs_.exists(in_work("plan")); }
    bool saved() const { return fs_.exists(in_work("undo")); }
    bool begun() const { return fs_.exists(in_work("begun")); }

    Plan plan() const {
        const Bytes bytes = read_file(fs_, in_work("plan"), 1 << 20);
        Decoder in(bytes, "the plan of a redis restore");
        in.expect(kPlanMagic);
        Plan out;
        for (uint32_t n = in.count(8); n > 0; --n) {
            const uint32_t live = in.u32();
            out[live] = in.u32();
        }
        in.finish();
        return out;
    }

    void keep_plan(const Plan& plan) {
        Encoder out;
        out.raw(kPlanMagic).u32(static_cast<uint32_t>(plan.size()));
        for (const auto& [live, spare] : plan) out.u32(live).u32(spare);
        replace_file(fs_, in_work("plan"), out.bytes());
    }

    // A spare database for each of `wanted` that has none in `plan`: the highest that are empty, or `spare_db` and those below.
    Plan plan_for(RedisConnection& server, const std::set<uint32_t>& wanted, Plan plan) const {
        const uint32_t count = redis_database_count(server);
        std::set<uint32_t> taken = redis_used_databases(server);
        taken.insert(wanted.begin(), wanted.end());
        for (const auto& [live, spare] : plan) taken.insert({live, spare});
        if (!wanted.empty() && *wanted.rbegin() >= count) {
            throw server.error(fmt::format("the snapshot has a database {}, and the server has {}", *wanted.rbegin(), count),
                               fmt::format("set `databases {}` or more in its config, and start it again", *wanted.rbegin() + 2));
        }
        if (settings_.spare_db && (*settings_.spare_db >= count || (plan.empty() && taken.contains(*settings_.spare_db)))) {
            throw server.error(fmt::format("database {} (`spare_db`) is not free", *settings_.spare_db),
                               "name an empty one, or leave `spare_db` out");
        }
        int64_t next = settings_.spare_db ? int64_t{*settings_.spare_db} : int64_t{count} - 1;
        for (const uint32_t db : wanted) {
            if (plan.contains(db)) continue;
            while (next >= 0 && taken.contains(static_cast<uint32_t>(next))) --next;
            if (next < 0) {
                throw server.error(
                    fmt::format("it has no spare database for database {}: {} of {} are in use", db, taken.size(), count),
                    "set `databases` higher in its config and start it again, or empty one that nobody needs");
            }
            plan[db] = static_cast<uint32_t>(next);
            taken.insert(static_cast<uint32_t>(next));
        }
        return plan;
    }

    RedisReply in_db(RedisConnection& server, uint32_t db, const RedisConnection::Words& words) const {
        server.call({"SELECT", std::to_string(db)});
        return server.call(words);
    }

    State state(RedisConnection& server) const {
        if (!has_plan()) return State::none;
        size_t fresh = 0;
        size_t old = 0;
        const Plan pairs = plan();
        for (const auto& [live, spare] : pairs) {
            const RedisReply held = in_db(server, spare, {"GET", marker_});
            fresh += held.is_text("new") ? 1 : 0;
            old += held.is_text("old") ? 1 : 0;
        }
        if (old == pairs.size()) return State::old;
        if (fresh == pairs.size()) return State::fresh;
        if (old == 0) return State::none;
        throw server.error("its databases are not as the restore left them: only some hold the state of before",
                           "see which database holds what (`INFO keyspace`) before anything else is written to it");
    }

    // Only what carries the marker is ours to empty.
    void empty(RedisConnection& server, uint32_t spare) const {
        if (in_db(server, spare, {"GET", marker_}).kind == RedisReply::Kind::text) server.call({"FLUSHDB", "ASYNC"});
    }

    void load(RedisConnection& server) {
        if (!fs_.exists(staged("dump.rdb"))) {
            throw Error(
                Code::failed,
                fmt::format("this snapshot of {} is of a stopped server with an append-only file", settings_.source),
                "`ingot restore ID --to DIR` gives its files; put them into the folder of the stopped server, and start it");
        }
        const FileBytes dump(fs_, staged("dump.rdb"));
        const RedisDumpLook look = look_at_dump(dump.bytes);
        require_restorable(server);
        require_loadable(server, look);
        std::set<uint32_t> wanted = redis_used_databases(server);
        Plan pairs;
        if (has_plan()) {
            pairs = plan();
            for (const auto& [live, spare] : pairs) wanted.erase(spare);
        }
        for (const auto& [db, count] : look.dbs) wanted.insert(db);
        pairs = plan_for(server, wanted, std::move(pairs));
        make_dirs(fs_, spec_.work_dir, 0700);
        keep_plan(pairs);
        // Read from the dump now, and not once more while the services are stopped.
        replace_file(fs_, in_work("functions.new"), view_of(function_payload(look.functions, redis_rdb_version(server))));
        try {
            for (const auto& [live, spare] : pairs) claim(server, spare, "loading");
            std::unique_ptr<FileBytes> eviction;
            if (fs_.exists(staged("eviction"))) eviction = std::make_unique<FileBytes>(fs_, staged("eviction"));
            load_dump(server, dump.bytes, eviction ? eviction->bytes : RdbBytes{}, look.read.version, pairs);
            for (const auto& [live, spare] : pairs) {
                const auto found = look.dbs.find(live);
                require_count(server, spare, found == look.dbs.end() ? RdbDbCount{} : found->second);
            }
            for (const auto& [live, spare] : pairs) in_db(server, spare, {"SET", marker_, "new"});
        } catch (const Error&) {
            try {
                RedisConnection again(settings_, Code::failed);
                for (const auto& [live, spare] : pairs) empty(again, spare);
            } catch (const Error& error) {
                ignore_error(error, "the first error is told; discard() empties what is left");
            }
            throw;
        }
    }

    void claim(RedisConnection& server, uint32_t spare, std::string_view value) const {
        empty(server, spare);
        if (in_db(server, spare, {"DBSIZE"}).integer != 0) {
            throw server.error(fmt::format("database {} was empty, and somebody else writes to it now", spare),
                               "name another one: `spare_db`");
        }
        server.call({"SET", marker_, value});
    }

    void require_loadable(RedisConnection& server, const RedisDumpLook& look) const {
        const EngineMatch match = match_rdb_versions(look.read.version, redis_rdb_version(server));
        if (match.verdict == Verdict::refused) throw server.error(match.why, match.hint).as(Code::incompatible);
        const auto most = std::stoull(server.config("proto-max-bulk-len", kBulkBytes));
        if (look.largest_value + 16 > most) {
            throw server.error(fmt::format("a value of {} is larger than it takes at once ({})", human_bytes(look.largest_value),
                                           human_bytes(most)),
                               "raise it for the restore: CONFIG SET proto-max-bulk-len BYTES");
        }
        if (!look.functions.empty() && !live_functions(server))
            throw server.error("the snapshot has functions, and FUNCTION DUMP is refused",
                               "allow it: ACL SETUSER NAME +function");
        uint64_t bytes = fs_.file_size(staged("dump.rdb")).value_or(0);
        for (const auto& [db, count] : look.dbs) bytes += count.keys * kKeyBytes;
        require_memory(server, bytes);
    }

    // Keys that expire may have done so by now, or while they were loaded.
    void require_count(RedisConnection& server, uint32_t spare, const RdbDbCount& wanted) const {
        const auto held = static_cast<uint64_t>(in_db(server, spare, {"DBSIZE"}).integer) - 1;
        if (held <= wanted.keys && held + wanted.expires >= wanted.keys) return;
        throw server.error(
            fmt::format("{} keys were loaded into database {} and it holds {}", wanted.keys, spare, held),
            "somebody else writes to it, or its maxmemory-policy evicts keys; mend that and run the restore again");
    }

    // Databases that got their first key since the staging are set aside too: the snapshot has nothing there.
    void extend_plan(RedisConnection& server) {
        const Plan before = plan();
        std::set<uint32_t> live = redis_used_databases(server);
        for (const auto& [db, spare] : before) live.erase(spare);
        const Plan after = plan_for(server, live, before);
        if (after == before) return;
        keep_plan(after);
        for (const auto& [db, spare] : after) {
            if (!before.contains(db)) claim(server, spare, "new");
        }
    }

    std::optional<std::string> live_functions(RedisConnection& server) const {
        const RedisReply dump = server.ask({"FUNCTION", "DUMP"});
        if (dump.kind != RedisReply::Kind::text) return std::nullopt;
        return dump.text;
    }

    // All pairs at once, and `held` written into what then lies in the spare databases.
    void exchange(RedisConnection& server, std::string_view held, const std::optional<std::string>& functions) const {
        size_t count = 0;
        const auto queue = [&](const RedisConnection::Words& words) {
            const RedisReply reply = server.call(words);
            if (!reply.is_text("QUEUED")) throw server.error(fmt::format("{} was not queued", words.front()));
            ++count;
        };
        server.call({"MULTI"});
        if (functions) queue({"FUNCTION", "RESTORE", *functions, "FLUSH"});
        for (const auto& [live, spare] : plan()) {
            queue({"SWAPDB", std::to_string(live), std::to_string(spare)});
            queue({"SELECT", std::to_string(live)});
            queue({"DEL", marker_});
            queue({"SELECT", std::to_string(spare)});
            queue({"SET", marker_, held});
        }
        const RedisReply done = server.call({"EXEC"});
        if (done.items.size() != count) throw server.error("EXEC was not carried out", "see the server's log");
        for (const RedisReply& item : done.items) {
            if (item.is_error()) throw server.error(fmt::format("swapping: {}", item.text), "see the server's log");
        }
    }

    TargetSpec spec_;
    FileSystem& fs_;
    const RedisSettings settings_;
    const SourceSpec source_;
    std::string root_;
    std::string marker_;
};

}  // namespace

std::unique_ptr<EngineTarget> make_redis_target(TargetSpec target, const RedisSettings& settings, const SourceSpec& source,
                                                const std::string& root) {
    return std::make_unique<RedisTarget>(std::move(target), settings, source, root);
}

std::map<uint32_t, uint32_t> redis_databases(const SourceSpec& spec) {
    std::map<uint32_t, uint32_t> out;
    const auto found = spec.options.find(kDatabases);
    if (found == spec.options.end()) return out;
    std::vector<uint32_t> numbers;
    for (size_t at = 0; at < found->second.size();) {
        const size_t end = found->second.find(' ', at);
        numbers.push_back(static_cast<uint32_t>(std::stoul(found->second.substr(at, end - at))));
        at = end + 1;
    }
    for (size_t i = 0; i + 1 < numbers.size(); i += 2) out[numbers[i]] = numbers[i + 1];
    return out;
}

std::string redis_marker_of(const SourceSpec& spec) {
    const auto found = spec.options.find(kMarker);
    return found == spec.options.end() ? "" : found->second;
}

}  // namespace ingot
