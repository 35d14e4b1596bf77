#include "drivers/postgres_pin.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <set>

#include "base/error.h"
#include "drivers/postgres_database.h"
#include "drivers/postgres_dump.h"
#include "drivers/whole_stream.h"

namespace ingot {
namespace {

// A lock that a table's owner holds for longer (ALTER TABLE) is not waited for while writers are paused: the pin is given up,
// and tried again. Three short waits and not one long: a LOCK that waits keeps others behind it.
constexpr int kLockMs = 500, kLockTries = 3;
// pg_dump asks for its own locks while we hold ours. It waits only for a session that asked for an exclusive lock between the
// two, which itself waits for us: only where that one gives up can pg_dump go on.
constexpr int64_t kDumpLockMs = 10'000;
// Dumps hold what the tables hold: nobody but the owner reads them.
constexpr uint32_t kMode = 0600;
constexpr size_t kFactBytes = 4096;
// Of pg_dumpall: roles of a cluster, some KB.
constexpr size_t kMostGlobalsBytes = 16 << 20;

// The tables that pg_dump locks. Members of extensions are dumped by their extension; those that it marks as configuration are
// locked too, where they may be read.
constexpr const char* kTables =
    "SELECT c.oid, n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', "
    "'p') "
    "AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND (has_table_privilege(c.oid, 'SELECT') OR NOT EXISTS "
    "(SELECT "
    "FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')) ORDER BY c.oid";

// A whole number, a number, or text.
Fact fact_from(const std::string& text) {
    if (text.empty() || text.find_first_not_of("0123456789+-.eE") != std::string::npos) return text.substr(0, kFactBytes);
    size_t used = 0;
    try {
        if (const long long number = std::stoll(text, &used); used == text.size()) return static_cast<int64_t>(number);
        if (const double number = std::stod(text, &used); used == text.size()) return number;
    } catch (const std::exception&) {
        return text.substr(0, kFactBytes);
    }
    return text.substr(0, kFactBytes);
}

class PgPin : public Pin {
public:
    PgPin(const PgSettings& settings, const PgTools& tools, std::unique_ptr<PgConnection> session, const std::string& spool_dir)
        : settings_(settings), tools_(tools), files_(settings.source), session_(std::move(session)) {
        const std::string snapshot = begin();
        Command command =
            tools_.command("pg_dump",
                           {"--format=custom", "--compress=0", "--snapshot=" + snapshot,
                            fmt::format("--lock-wait-timeout={}", std::min(kDumpLockMs, settings_.idle_timeout_ms / 2))},
                           settings_.address(Code::source).database());
        command.idle_limit_ms = settings_.idle_timeout_ms;
        dump_ = std::make_unique<PgDump>(tools_, std::move(command), "pg_dump of " + settings_.source, spool_dir);
        if (settings_.wait_for_dump) dump_->wait_for_first_byte();
    }

    PinMoment moment() const override { return moment_; }

    Facts facts() override {
        if (session_ == nullptr) throw Error(Code::source, settings_.source + ": facts are read before the dump is");
        Facts out;
        out["tables"] = static_cast<int64_t>(tables_);
        out["server_version"] = session_->value("SELECT current_setting('server_version')");
        for (const auto& [name, sql] : settings_.facts) {
            try {
                // A query that fails must not end the pin's transaction.
                session_->execute("SAVEPOINT fact");
                out[name] = fact_from(session_->value(sql, settings_.idle_timeout_ms));
                session_->execute("RELEASE SAVEPOINT fact");
            } catch (const Error& error) {
                throw error.within(fmt::format("the fact {} of {}", name, settings_.source));
            }
        }
        return out;
    }

    std::optional<Entry> next() override {
        switch (given_++) {
            case 0:
                return describe_database();
            case 1:
                return entry_of(files_.dump, finish_dump());
            case 2:
                return entry_of(files_.globals, read_globals());
            default:
                return std::nullopt;
        }
    }

    std::unique_ptr<Stream> open(const Entry& entry) override {
        if (entry.path == files_.dump) return dump_->stream();
        return std::make_unique<WholeStream>(entry.path == files_.database ? database_ : globals_);
    }

    PinConsistency consistency() const override { return PinConsistency::pinned; }

private:
    PgRows tables() { return session_->query(kTables); }

    // Locks, then the snapshot: a TRUNCATE that committed before the locks is seen by it, one that comes after them waits. The
    // first statement but LOCK fixes what a repeatable-read transaction sees, so the tables are listed before it begins, and
    // again inside: one that was made in between has no lock, and the pin begins anew.
    std::string begin() {
        for (int tries = kLockTries;; --tries) {
            const PgRows before = tables();
            session_->execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
            session_->execute(fmt::format("SET LOCAL lock_timeout = {}", kLockMs));
            std::string names;
            for (const PgRow& row : before) {
                names += names.empty() ? "ONLY " : ", ONLY ";
                names += session_->quoted_name(row[1].value_or("")) + "." + session_->quoted_name(row[2].value_or(""));
            }
            try {
                if (!names.empty()) session_->execute("LOCK TABLE " + names + " IN ACCESS SHARE MODE");
                moment_.first = now();
                std::string snapshot = session_->value("SELECT pg_export_snapshot()");
                moment_.last = now();
                if (tables() == before) {
                    tables_ = before.size();
                    return snapshot;
                }
            } catch (const Error&) {
                // 55P03 lock_not_available, 42P01 undefined_table: dropped between the listing and its lock.
                const std::string state = session_->refused_state();
                if ((state != "55P03" && state != "42P01") || tries == 1) throw;
            }
            if (tries == 1) {
                throw Error(Code::source,
                            fmt::format("{}: tables were made or dropped during each of {} tries", settings_.source, kLockTries),
                            "take the snapshot when no migration runs");
            }
            session_->execute("ROLLBACK");
        }
    }

    Entry describe_database() {
        database_ = encode_pg_database(read_pg_database(*session_));
        return entry_of(files_.database, database_.size());
    }

    uint64_t finish_dump() {
        // The session ends here at the latest: as long as it lives, dead rows cannot be cleaned up and exclusive locks wait.
        try {
            dump_->wait_for_archive();
        } catch (const Error&) {
            session_.reset();
            throw;
        }
        session_.reset();
        return dump_->size();
    }

    uint64_t read_globals() {
        std::vector<std::string> arguments{"--globals-only", "--database=" + settings_.tools_address(Code::source).database()};
        if (!settings_.role_passwords) arguments.emplace_back("--no-role-passwords");
        Command command = tools_.command("pg_dumpall", arguments, settings_.tools_address(Code::source).database());
        command.limit_ms = std::min<int64_t>(settings_.timeout_ms, settings_.idle_timeout_ms);
        command.output_limit_bytes = kMostGlobalsBytes;
        globals_ = tools_.run(command, "pg_dumpall of " + settings_.source).out;
        return globals_.size();
    }

    Entry entry_of(const std::string& path, uint64_t size) const {
        Entry entry;
        entry.path = path;
        entry.mode = kMode;
        entry.uid = ::geteuid();
        entry.gid = ::getegid();
        entry.mtime_ns = moment_.last.wall_ms * 1'000'000;
        entry.size = size;
        return entry;
    }

    const PgSettings& settings_;
    const PgTools& tools_;
    const PgFiles files_;
    std::unique_ptr<PgConnection> session_;
    std::unique_ptr<PgDump> dump_;
    PinMoment moment_;
    std::string database_, globals_;
    size_t tables_ = 0;
    int given_ = 0;
};

}  // namespace

std::unique_ptr<Pin> make_pg_pin(const PgSettings& settings, const PgTools& tools, std::unique_ptr<PgConnection> session,
                                 const std::string& spool_dir) {
    return std::make_unique<PgPin>(settings, tools, std::move(session), spool_dir);
}

}  // namespace ingot
