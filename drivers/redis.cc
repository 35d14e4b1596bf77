#include "drivers/redis.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <unordered_set>

#include "base/error.h"
#include "drivers/rdb_canonical.h"
#include "drivers/redis_dump.h"
#include "drivers/redis_facts.h"
#include "drivers/redis_files.h"
#include "drivers/redis_files_target.h"
#include "drivers/redis_scratch.h"
#include "drivers/redis_server.h"
#include "drivers/redis_target.h"
#include "drivers/source_paths.h"
#include "drivers/whole_stream.h"

namespace ingot {
namespace {

// Cached data and hashes of passwords are nobody else's.
constexpr uint32_t kFolderMode = 0700;
constexpr uint32_t kFileMode = 0600;
// Keys that SCAN looks at for one answer: about a millisecond of the server's time.
constexpr const char* kScanCount = "1000";
// How far the second in an RDB file may lie from the one BGSAVE was answered in.
constexpr int64_t kSlackS = 2;

RdbBytes bytes_of_text(ByteView text) {
    return {text.size(), [text](uint64_t offset, std::span<uint8_t> out) {
                const size_t n = std::min<size_t>(out.size(), text.size() - offset);
                std::copy_n(text.data() + offset, n, out.data());
                return n;
            }};
}

bool is_stopped(const RedisSettings& settings) { return !settings.data_dir.empty() && redis_is_stopped(settings); }

class RedisPin : public Pin {
public:
    RedisPin(const RedisSettings& settings, const SourceSpec& spec, const std::string& root)
        : settings_(settings), spec_(spec), root_(root), facts_(settings.facts) {
        if (is_stopped(settings)) {
            stopped_ = std::make_unique<RedisFiles>(settings.data_dir, root, spec.spool_dir);
            moment_ = stopped_->moment();
            notes_.push_back(fmt::format("{}: the server is stopped; these are its files, written last at {}", spec.name,
                                         iso_utc(stopped_->written_ms())));
            return;
        }
        dump_ = std::make_unique<RedisDump>(settings, spec.spool_dir);
        moment_ = dump_->moment();
        saved_ = !dump_->why_saved().empty();
        if (saved_)
            notes_.push_back(fmt::format("{}: saved by BGSAVE, because PSYNC is refused: {}", spec.name, dump_->why_saved()));
    }

    PinMoment moment() const override { return moment_; }

    Facts facts() override {
        read();
        if (stopped_ && stopped_->append_only()) return {{"files", static_cast<int64_t>(stopped_->files().size())}};
        return facts_.facts(rdb_.read, rdb_.fields, rdb_.functions);
    }

    std::optional<Entry> next() override {
        read();
        if (next_ == files_.size()) return std::nullopt;
        const File& file = files_[next_++];
        Entry entry;
        entry.path = file.path;
        entry.type = file.is_folder ? EntryType::directory : EntryType::file;
        entry.mode = file.is_folder ? kFolderMode : kFileMode;
        entry.uid = ::geteuid();
        entry.gid = ::getegid();
        entry.mtime_ns = moment_.last.wall_ms * 1'000'000;
        entry.size = file.bytes.size;
        return entry;
    }

    std::unique_ptr<Stream> open(const Entry&) override {
        const RdbBytes& bytes = files_[next_ - 1].bytes;
        return std::make_unique<WholeStream>(bytes.size, bytes.read_at);
    }

    PinConsistency consistency() const override { return PinConsistency::pinned; }

    std::vector<std::string> notes() const override { return notes_; }

private:
    struct File {
        std::string path;
        bool is_folder = false;
        RdbBytes bytes;
    };

    void read() {
        if (!files_.empty()) return;
        if (stopped_) return read_stopped();
        read_rdb_file(bytes_of(dump_->wait()));
        if (saved_) require_own_file();
        if (dump_->users()) users_ = *dump_->users();
        list();
        dump_.reset();
    }

    // One RDB file is what a dump is; an append-only file is kept as it lies there.
    void read_stopped() {
        if (!stopped_->append_only()) {
            LeasedFile* file = stopped_->rdb();
            read_rdb_file({static_cast<uint64_t>(file->stat().st_size),
                           [file](uint64_t offset, std::span<uint8_t> out) { return file->read_at(offset, out); }});
            return list();
        }
        notes_.push_back(
            fmt::format("{}: it has an append-only file, which is kept as it is; a restore of it is by hand", spec_.name));
        files_.push_back({root_, true, {}});
        std::string folder;
        for (LeasedFile* file : stopped_->files()) {
            const std::string& path = file->root().listing_path;
            for (size_t slash = path.find('/', root_.size() + 1); slash != std::string::npos; slash = path.find('/', slash + 1)) {
                if (path.substr(0, slash) <= folder) continue;
                folder = path.substr(0, slash);
                files_.push_back({folder, true, {}});
            }
            files_.push_back(
                {path, false, {static_cast<uint64_t>(file->stat().st_size), [file](uint64_t offset, std::span<uint8_t> out) {
                                   return file->read_at(offset, out);
                               }}});
        }
    }

    void read_rdb_file(const RdbBytes& bytes) {
        CanonicalOptions options;
        options.spool_dir = spec_.spool_dir;
        options.dbs = redis_databases(spec_);
        options.without = redis_marker_of(spec_);
        options.seen = [this](const RdbKey& key) { facts_.key(key); };
        try {
            rdb_ = canonical_rdb(bytes, options);
        } catch (const Error& error) {
            if (error.code() != Code::damaged) throw;
            throw error.within(settings_.shown()).as(Code::source);
        }
        if (!rdb_.raw()) return;
        notes_.push_back(fmt::format("{}: its dump is kept as it came, and a restore cannot load it into the server: {}",
                                     spec_.name, rdb_.read.not_known));
    }

    void list() {
        files_.push_back({root_, true, {}});
        if (!users_.empty()) files_.push_back({root_ + "/acl", false, bytes_of_text(view_of(users_))});
        files_.push_back({root_ + "/aux", false, bytes_of_text(rdb_.aux)});
        files_.push_back({root_ + "/dump.rdb", false, bytes_of(*rdb_.dump)});
        if (rdb_.eviction) files_.push_back({root_ + "/eviction", false, bytes_of(*rdb_.eviction)});
    }

    // A file that BGSAVE made says when: a server elsewhere may have told a path that is another server's here.
    void require_own_file() const {
        const auto made = rdb_.fields.find("ctime");
        if (made == rdb_.fields.end()) return;
        const int64_t made_s = std::strtoll(made->second.c_str(), nullptr, 10);
        if (made_s >= moment_.first.wall_ms / 1000 - kSlackS && made_s <= moment_.last.wall_ms / 1000 + kSlackS) return;
        throw Error(
            Code::source, fmt::format("{}: the file at the path it names is not what it saved just now", settings_.shown()),
            "the server is on another host, or in a container: allow PSYNC to the user (ACL SETUSER NAME +psync +replconf)");
    }

    const RedisSettings& settings_;
    const SourceSpec& spec_;
    const std::string& root_;
    RedisFacts facts_;
    std::unique_ptr<RedisDump> dump_;
    std::unique_ptr<RedisFiles> stopped_;
    PinMoment moment_;
    bool saved_ = false;
    std::vector<std::string> notes_;
    std::string users_;
    CanonicalRdb rdb_;
    std::vector<File> files_;
    size_t next_ = 0;
};

// Counts, and keeps nothing.
class Counter : public RdbHandler {
public:
    explicit Counter(const RedisSettings& settings) : facts_(settings.facts) {}
    void aux(const std::string& name, const std::string& value) override { fields_[name] = value; }
    void function(std::string) override { ++functions_; }
    void module_aux(Bytes, bool) override {}
    void key(const RdbKey& key, const RdbInput&) override { facts_.key(key); }
    Facts facts(const RdbRead& read) const { return facts_.facts(read, fields_, functions_); }

private:
    RedisFacts facts_;
    std::map<std::string, std::string> fields_;
    uint64_t functions_ = 0;
};

}  // namespace

RedisDriver::RedisDriver(SourceSpec source_spec)
    : Driver(std::move(source_spec)), settings_(redis_settings(spec())), root_(spec().name + ".redis") {}

void RedisDriver::prepare() {
    if (is_stopped(settings_)) {
        (void)RedisFiles(settings_.data_dir, root_, spec().spool_dir);
        return;
    }
    RedisConnection connection(settings_, Code::source);
    wait_for_no_child(connection, settings_.save_timeout_ms);
}

std::unique_ptr<Pin> RedisDriver::pin() { return std::make_unique<RedisPin>(settings_, spec(), root_); }

std::vector<SourceRoot> RedisDriver::roots() const { return {{root_, ""}}; }

Facts RedisDriver::open_artifact(const std::string& dir) {
    const std::string path = path_in_artifact(dir, root_ + "/dump.rdb");
    const auto size = real_filesystem().file_size(path);
    if (const std::string files = path_in_artifact(dir, root_ + "/files"); !size && real_filesystem().exists(files)) {
        return {{"files", static_cast<int64_t>(check_redis_files(files))}};
    }
    if (!size) {
        throw Error(Code::damaged, fmt::format("the artifact of {} does not hold {}/dump.rdb", spec().name, printable(root_)),
                    "this snapshot is of a source of another name or kind: choose another snapshot");
    }
    const std::shared_ptr<ReadFile> file = real_filesystem().open(path);
    const RdbBytes bytes{*size, [file](uint64_t offset, std::span<uint8_t> out) { return file->read_at(offset, out); }};
    Counter counter(settings_);
    const RdbRead read = read_rdb(bytes, counter);
    const std::string aux = path_in_artifact(dir, root_ + "/aux");
    if (real_filesystem().exists(aux)) decode_rdb_aux(read_file(real_filesystem(), aux, 16 << 20));
    return counter.facts(read);
}

std::optional<EngineMatch> RedisDriver::match_engine(const Facts& then) {
    RedisConnection server(settings_, Code::failed);
    const auto recorded = then.find("rdb_version");
    const auto* version = recorded == then.end() ? nullptr : std::get_if<int64_t>(&recorded->second);
    EngineMatch out = match_rdb_versions(version == nullptr ? 0 : *version, redis_rdb_version(server));
    if (!out.why.empty()) out.why = server.error(out.why).what();
    const auto info = server.info("server");
    const auto live = info.contains("valkey_version") ? info.find("valkey_version") : info.find("redis_version");
    if (live != info.end()) out.now = fmt::format("{} ({})", live->second, out.now);
    if (const std::string told = text_fact(then, "version"); !told.empty() && !out.then.empty())
        out.then = fmt::format("{} ({})", told, out.then);
    return out;
}

Fact RedisDriver::ask_live(const std::string& question) {
    const RedisPattern wanted = redis_pattern(question);
    RedisConnection connection(settings_, Code::failed);
    connection.call({"SELECT", std::to_string(wanted.db)});
    if (wanted.pattern == "*") return connection.call({"DBSIZE"}).integer;
    // SCAN may name a key twice while the server's table grows or shrinks. Of each a hash is kept: 2^-64 for two that share one.
    std::unordered_set<size_t> seen;
    std::string cursor = "0";
    do {
        const RedisReply reply = connection.call({"SCAN", cursor, "MATCH", wanted.pattern, "COUNT", kScanCount});
        if (reply.items.size() != 2) throw connection.error("SCAN answered with something else than a cursor and keys");
        cursor = reply.items[0].text;
        for (const RedisReply& key : reply.items[1].items) seen.insert(std::hash<std::string>()(key.text));
    } while (cursor != "0");
    return static_cast<int64_t>(seen.size());
}

std::unique_ptr<EngineTarget> RedisDriver::engine_target(const TargetSpec& target) {
    const bool began_by_server = target.fs->exists(join(target.work_dir, "plan"));
    if (restores_by_redis_files(target) || (!began_by_server && is_stopped(settings_)))
        return make_redis_files_target(target, settings_, root_);
    return make_redis_target(target, settings_, spec(), root_);
}

std::unique_ptr<ScratchTarget> RedisDriver::scratch_target(const ScratchSpec& scratch) {
    if (!settings_.scratch_server) return nullptr;
    return make_redis_scratch(scratch, settings_, spec(), root_);
}

}  // namespace ingot
