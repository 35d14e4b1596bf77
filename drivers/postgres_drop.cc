#include "drivers/postgres_drop.h"

#include <fmt/format.h>

#include <chrono>
#include <thread>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/error.h"

namespace ingot {
namespace {

// How often a session that was told to end is looked for.
constexpr std::chrono::milliseconds kSessionTick{20};
// DATCONNLIMIT_INVALID_DB of the server's pg_database.h.
constexpr const char* kHalfDropped = "-2";

}  // namespace

PgPresence pg_presence(PgConnection& session, const std::string& database) {
    const PgRows rows = session.query("SELECT datconnlimit FROM pg_database WHERE datname = " + session.quoted(database));
    if (rows.empty()) return PgPresence::none;
    return rows[0][0] == kHalfDropped ? PgPresence::half_dropped : PgPresence::whole;
}

void end_pg_sessions(PgConnection& session, const std::string& source, const std::string& database, int64_t until_ns) {
    const std::string of =
        fmt::format("FROM pg_stat_activity WHERE datname = {} AND pid <> pg_backend_pid()", session.quoted(database));
    for (;;) {
        session.query("SELECT pg_terminate_backend(pid) " + of);
        const PgRows left = session.query("SELECT pid, usename, application_name " + of + " LIMIT 1");
        if (left.empty()) return;
        if (mono_now_ns() >= until_ns) {
            throw Error(Code::failed,
                        fmt::format("{}: session {} of {} ({}) does not end", source, left[0][0].value_or(""),
                                    left[0][1].value_or(""), printable(left[0][2].value_or(""))),
                        "end it by hand (pg_terminate_backend), then run the restore again");
        }
        std::this_thread::sleep_for(kSessionTick);
    }
}

void drop_pg_database(PgConnection& session, const std::string& source, const std::string& database, int64_t limit_ms) {
    const PgPresence presence = pg_presence(session, database);
    if (presence == PgPresence::none) return;
    if (presence == PgPresence::whole) {
        session.execute(fmt::format("ALTER DATABASE {} ALLOW_CONNECTIONS false", session.quoted_name(database)), limit_ms);
        end_pg_sessions(session, source, database, mono_now_ns() + limit_ms * 1'000'000);
    }
    session.execute("DROP DATABASE IF EXISTS " + session.quoted_name(database), kPgDatabaseMs);
}

}  // namespace ingot
