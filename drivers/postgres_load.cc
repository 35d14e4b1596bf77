#include "drivers/postgres_load.h"

#include <fmt/format.h>
#include <sys/statvfs.h>

#include <algorithm>

#include "base/clock.h"
#include "base/error.h"
#include "base/interrupt.h"
#include "drivers/command_facts.h"
#include "drivers/postgres_archive.h"
#include "drivers/postgres_tools.h"
#include "drivers/source_paths.h"

namespace ingot {
namespace {

// pg_restore prints nothing while it loads, so the server is asked whether it still lives.
constexpr int64_t kHeartbeatMs = 5'000;

}  // namespace

PgStaged::PgStaged(FileSystem& fs, const std::string& dir, const std::string& source) {
    const PgFiles files(source);
    database = read_pg_database_file(fs, path_in_artifact(dir, files.database));
    dump_path = path_in_artifact(dir, files.dump);
    dumped_by = read_pg_archive_file(fs, dump_path).dumped_by;
}

void require_room(PgConnection& session, const PgSettings& settings, int64_t bytes, const std::string& hint) {
    if (!settings.tools.empty() || !settings.address(Code::failed).local()) return;
    const PgRows rows = session.query("SELECT setting FROM pg_settings WHERE name = 'data_directory'");
    struct statvfs space {};
    // A server in a container has a folder of such a name too, but not here.
    if (rows.empty() || !rows[0][0] || !real_filesystem().exists(join(*rows[0][0], "PG_VERSION"))) return;
    if (::statvfs(rows[0][0]->c_str(), &space) != 0) return;
    const uint64_t free = uint64_t{space.f_bavail} * space.f_frsize;
    if (free >= static_cast<uint64_t>(bytes)) return;
    throw Error(Code::failed,
                fmt::format("{}: a second copy of the database takes about {}, and {} has {} free", settings.source,
                            human_bytes(static_cast<uint64_t>(bytes)), printable(*rows[0][0]), human_bytes(free)),
                "make room there, or " + hint);
}

EngineMatch match_pg_versions(const std::string& recorded, const std::string& live, const PgSettings& settings) {
    EngineMatch out{.verdict = Verdict::fine, .then = recorded, .now = live, .why = {}, .hint = {}};
    // "15.8 (Debian 15.8-1.pgdg120+1)" -> 15; 0 where it is not known
    const long from = std::strtol(recorded.c_str(), nullptr, 10), server = std::strtol(live.c_str(), nullptr, 10);
    if (from > server) {
        out.verdict = Verdict::refused;
        out.why = fmt::format("{}: the snapshot is of a server of version {}, and this one is of version {}", settings.source,
                              from, server);
        out.hint = fmt::format("restore it into a server of version {} or newer", from);
    } else if (from != 0 && from < server) {
        out.verdict = Verdict::warning;
        out.why = fmt::format("{}: the snapshot is of a server of version {}, and this one is newer, {}: pg_restore takes it",
                              settings.source, from, server);
        out.hint = "look at extensions and collations afterwards, and run ANALYZE";
    }
    return out;
}

void require_loadable(PgConnection& session, const PgSettings& settings, const PgStaged& staged) {
    const int server = session.server_version() / 10000, dumped = pg_major_of(staged.dumped_by);
    const int from = static_cast<int>(staged.database.server_version / 10000);
    const EngineMatch match = match_pg_versions(std::to_string(from), std::to_string(server), settings);
    if (match.verdict == Verdict::refused) throw Error(Code::incompatible, match.why, match.hint);
    const PgTools tools(settings, server, Code::failed);
    if (tools.major() < dumped) {
        throw Error(Code::failed,
                    fmt::format("{}: the dump was written by pg_dump {}, and pg_restore here is of version {}", settings.source,
                                dumped, tools.major()),
                    fmt::format("install newer tools: apt-get install postgresql-client-{}", dumped));
    }
    const std::vector<std::string> missing = missing_on_server(session, staged.database);
    if (!missing.empty()) {
        throw Error(
            Code::failed, fmt::format("{}: the server lacks {}", settings.source, fmt::join(missing, ", ")),
            fmt::format(
                "install the extensions' packages; roles are in {0}.globals.sql: `ingot cat SNAPSHOT {0}/{0}.globals.sql`",
                settings.source));
    }
}

void load_dump(const PgSettings& settings, const PgStaged& staged, const PgLoad& load) {
    const PgTools tools(settings, load.server_major, Code::failed);
    std::vector<std::string> arguments = load.extra;
    arguments.insert(arguments.end(), {"--exit-on-error", "--single-transaction"});
    Command command = tools.command("pg_restore", arguments, load.database);
    const InputFile input(staged.dump_path, Code::failed);
    command.input_fd = input.fd();
    PgConnection heart(settings.address(Code::failed).with_database(settings.maintenance_database), Code::failed);
    const std::string of_restores = fmt::format(
        "FROM pg_stat_activity WHERE datname = {} AND application_name LIKE 'pg_restore%'", heart.quoted(load.database));
    heart.query("SELECT pg_terminate_backend(pid) " + of_restores);
    // The dump itself says lock_timeout = 0, so that waits for locks are looked for from outside.
    const std::string waits = load.lock_wait_ms == 0
                                  ? "SELECT false"
                                  : fmt::format(
                                        "SELECT EXISTS (SELECT {} AND wait_event_type = 'Lock' AND query_start < "
                                        "clock_timestamp() - interval '{} ms')",
                                        of_restores, load.lock_wait_ms);
    const int64_t every_ns =
        std::max<int64_t>(load.lock_wait_ms == 0 ? kHeartbeatMs : std::min(kHeartbeatMs, load.lock_wait_ms), 1) * 1'000'000;
    int64_t asked_ns = mono_now_ns();
    std::string given_up;
    command.stop_when = [&] {
        if (load.interruptible && interrupted()) return true;
        if (mono_now_ns() - asked_ns < every_ns) return false;
        asked_ns = mono_now_ns();
        try {
            if (heart.value(waits, settings.idle_timeout_ms) == "t") given_up = "other sessions hold locks on what it replaces";
        } catch (const Error& error) {
            ignore_error(error, "said below, with what was being done");
            given_up = "the server stopped answering while the dump was loaded";
        }
        return !given_up.empty();
    };
    const std::string what = "pg_restore of " + settings.source;
    try {
        tools.run(command, what);
    } catch (const Error&) {
        if (given_up.empty()) throw;
        throw Error(
            Code::failed, fmt::format("{}: {}", what, given_up),
            "see whether it runs (pg_isready), its log, and who holds locks (pg_stat_activity); then run the restore again");
    }
}

}  // namespace ingot
