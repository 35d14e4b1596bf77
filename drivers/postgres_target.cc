#include "drivers/postgres_target.h"

#include <fmt/format.h>

#include <optional>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/step.h"
#include "drivers/postgres_drop.h"
#include "drivers/postgres_in_place.h"
#include "drivers/postgres_load.h"
#include "drivers/postgres_raw.h"
#include "drivers/postgres_tools.h"

namespace ingot {
namespace {

constexpr std::string_view kUndoMagic = "ingot-postgres-undo 1\n";
constexpr std::string_view kStagedMagic = "ingot-postgres-staged 1\n";
// NAMEDATALEN - 1: the server would cut a longer name in silence.
constexpr size_t kMostNameBytes = 63;

struct Undo {
    int64_t live_oid = 0;
    bool allowed = true;
};

class PgTarget : public EngineTarget {
public:
    PgTarget(TargetSpec target, PgSettings settings, SourceSpec spec)
        : target_(std::move(target)), fs_(*target_.fs), settings_(std::move(settings)), spec_(std::move(spec)) {}

    void preflight() override {
        if (live_name() == settings_.maintenance_database) {
            throw Error(Code::failed,
                        fmt::format("{}: {} is itself the database to be connected to while it is renamed", settings_.source,
                                    printable(live_name())),
                        "name another one: maintenance_database = \"template1\"");
        }
        auto session = connect();
        const PgTools tools(settings_, session->server_version() / 10000, Code::failed);
        if (session->value("SELECT pg_is_in_recovery()") == "t")
            refuse("the server is a standby, and read-only", "restore into the primary");
        if (session->value("SELECT rolsuper OR rolcreatedb FROM pg_roles WHERE rolname = current_user") != "t")
            refuse("the role of `url` may not create databases", "ALTER ROLE ... CREATEDB, or give another role in `url`");
        if (const auto oid = oid_of(*session, live_name())) {
            const std::string mine =
                fmt::format("SELECT pg_has_role(current_user, datdba, 'MEMBER') FROM pg_database WHERE oid = {}", *oid);
            if (session->value(mine) != "t")
                refuse(fmt::format("the role of `url` does not own {}", printable(live_name())),
                       "give its owner, or a superuser, in `url`");
            const std::string prepared =
                fmt::format("SELECT count(*) FROM pg_prepared_xacts WHERE database = {}", session->quoted(live_name()));
            if (session->integer(prepared) != 0)
                refuse("prepared transactions keep it from being renamed",
                       "COMMIT PREPARED or ROLLBACK PREPARED what pg_prepared_xacts lists");
            require_room(*session, settings_, session->integer(fmt::format("SELECT pg_database_size({}::oid)", *oid)));
        }
        if (fs_.exists(staged_path())) require_loadable(*session, settings_, staged_files());
    }

    void ping() override { connect()->execute("SELECT 1"); }

    void stage() override { load(true); }

    void prepare_undo() override {
        if (fs_.exists(in_work("undo"))) return;
        auto session = connect();
        Undo undo;
        const PgRows rows =
            session->query("SELECT oid, datallowconn FROM pg_database WHERE datname = " + session->quoted(live_name()));
        if (!rows.empty()) undo = {std::stoll(rows[0][0].value_or("0")), rows[0][1].value_or("") == "t"};
        Encoder out;
        out.raw(kUndoMagic).i64(undo.live_oid).u8(undo.allowed ? 1 : 0);
        make_dirs(fs_, target_.work_dir, 0700);
        replace_file(fs_, in_work("undo"), out.bytes());
        step("restore.postgres.undo-saved");
    }

    void swap() override {
        if (!fs_.exists(in_work("undo"))) throw Error(Code::failed, "a swap without a saved undo: prepare_undo() comes first");
        const Undo undo = saved();
        auto session = connect();
        const std::optional<int64_t> live = oid_of(*session, live_name());
        if (!live || live != staged_oid()) {
            if (live.value_or(0) != undo.live_oid) {
                refuse(fmt::format("{} is another database than when this restore began", printable(live_name())),
                       "run the restore again from its start");
            }
            load(false);
            exchange(*session, live ? old_name() : std::string(), new_name(), undo.allowed);
        }
        if (oid_of(*session, old_name())) allow(*session, old_name(), true);
        step("restore.postgres.swapped");
    }

    void undo() override {
        if (!fs_.exists(in_work("undo"))) return;
        const Undo undo = saved();
        auto session = connect();
        const std::optional<int64_t> live = oid_of(*session, live_name()), old = oid_of(*session, old_name());
        if (live && live != undo.live_oid && live != staged_oid() && !old) {
            // Somebody made it between prepare_undo() and swap(), which refused to touch it: what is live is not ours.
            drop(*session, new_name());
            step("restore.postgres.undone");
            return;
        }
        if (live.value_or(0) != undo.live_oid) {
            if (undo.live_oid != 0 && old.value_or(0) != undo.live_oid) {
                throw Error(Code::failed,
                            fmt::format("{}: the old database is neither {} nor {}", settings_.source, printable(live_name()),
                                        printable(old_name())),
                            "find it by its oid " + std::to_string(undo.live_oid) + " in pg_database and rename it back");
            }
            if (live && live != staged_oid())
                refuse(fmt::format("{} is a database that this restore did not make", printable(live_name())),
                       "rename it, then run `ingot restore --resume`");
            exchange(*session, live ? new_name() : std::string(), undo.live_oid == 0 ? std::string() : old_name(), undo.allowed);
        }
        if (undo.live_oid != 0) allow(*session, live_name(), undo.allowed);
        drop(*session, new_name());
        step("restore.postgres.undone");
    }

    void discard() override {
        auto session = connect();
        drop(*session, new_name());
        // Without a live one, what was set aside is all there is.
        if (oid_of(*session, live_name())) drop(*session, old_name());
    }

    std::optional<SourceSpec> old_state() override {
        auto session = connect();
        // Half of one, of a drop that was cut short, holds nothing that could be read.
        if (pg_presence(*session, old_name()) != PgPresence::whole) return std::nullopt;
        SourceSpec out = spec_;
        out.options["database"] = old_name();
        return out;
    }

    std::unique_ptr<Pin> raw_old_state(const std::string& listing_path) override {
        auto session = connect();
        if (pg_damage(*session, settings_, old_name(), Code::failed).empty()) return nullptr;
        return make_pg_raw_pin(std::move(session), old_name(), listing_path);
    }

    std::string old_place() override { return "the database " + printable(old_name()); }

private:
    [[noreturn]] void refuse(const std::string& why, const std::string& hint) const {
        throw Error(Code::failed, fmt::format("{}: {}", settings_.source, why), hint);
    }
    // Not looked up before it is needed: a restore to a folder asks for no address, nor for its secrets.
    const std::string& live_name() const {
        if (live_name_.empty()) live_name_ = settings_.address(Code::failed).database();
        return live_name_;
    }
    std::string new_name() const { return pg_name_beside(live_name(), "new", target_.restore_id); }
    std::string old_name() const { return pg_name_beside(live_name(), "old", target_.restore_id); }
    std::string in_work(const std::string& name) const { return join(target_.work_dir, name); }
    std::string staged_path() const { return join(target_.staged_dir, PgFiles(settings_.source).database); }
    PgStaged staged_files() const { return {fs_, target_.staged_dir, settings_.source}; }

    std::unique_ptr<PgConnection> connect() const {
        auto session = std::make_unique<PgConnection>(
            settings_.address(Code::failed).with_database(settings_.maintenance_database), Code::failed);
        // A swap is durable when it returns, whatever the role's default is; a standby is not waited for.
        session->execute("SET synchronous_commit = local");
        session->execute(fmt::format("SET lock_timeout = {}", target_.deadline_ms));
        return session;
    }

    std::optional<int64_t> oid_of(PgConnection& session, const std::string& name) const {
        const PgRows rows = session.query("SELECT oid FROM pg_database WHERE datname = " + session.quoted(name));
        if (rows.empty()) return std::nullopt;
        return std::stoll(rows[0][0].value_or("0"));
    }

    Undo saved() const {
        const Bytes bytes = read_file(fs_, in_work("undo"), 4 << 10);
        Decoder in(bytes, "undo of a PostgreSQL restore");
        in.expect(kUndoMagic);
        Undo out;
        out.live_oid = in.i64();
        out.allowed = in.u8() != 0;
        in.finish();
        return out;
    }

    std::optional<int64_t> staged_oid() const {
        if (!fs_.exists(in_work("staged"))) return std::nullopt;
        const Bytes bytes = read_file(fs_, in_work("staged"), 4 << 10);
        Decoder in(bytes, "stage of a PostgreSQL restore");
        in.expect(kStagedMagic);
        const int64_t out = in.i64();
        in.finish();
        return out;
    }

    // Where it was loaded before, there is nothing to do; what was half loaded is made anew.
    void load(bool interruptible) {
        auto session = connect();
        const std::optional<int64_t> done = staged_oid();
        if (done && (oid_of(*session, new_name()) == done || oid_of(*session, live_name()) == done)) return;
        if (!fs_.exists(staged_path()))
            refuse(printable(staged_path()) + " is not staged", "run the restore again from its start");
        const PgStaged staged = staged_files();
        require_loadable(*session, settings_, staged);
        require_room(*session, settings_, staged.database.bytes);
        drop(*session, new_name());
        session->execute(create_statement(*session, staged.database, new_name()), kPgDatabaseMs);
        step("restore.postgres.created");
        try {
            load_dump(
                settings_, staged,
                {.database = new_name(), .server_major = session->server_version() / 10000, .interruptible = interruptible});
            for (const std::string& statement : property_statements(*session, staged.database, new_name()))
                session->execute(statement);
        } catch (const Error&) {
            try {
                drop(*session, new_name());
            } catch (const Error& error) {
                ignore_error(error, "discard() drops it; why it was not loaded is what matters");
            }
            throw;
        }
        Encoder out;
        out.raw(kStagedMagic).i64(oid_of(*session, new_name()).value_or(0));
        make_dirs(fs_, target_.work_dir, 0700);
        replace_file(fs_, in_work("staged"), out.bytes());
        step("restore.postgres.loaded");
    }

    // Live becomes `aside`, `back` becomes live, in one transaction; either may be empty. Until it commits the live database
    // stays what it was, and if it never does, it takes connections again.
    void exchange(PgConnection& session, const std::string& aside, const std::string& back, bool allowed) {
        const std::string live = session.quoted_name(live_name());
        try {
            if (!aside.empty()) allow(session, live_name(), false);
            step("restore.postgres.closed");
            const int64_t until_ns = mono_now_ns() + target_.deadline_ms * 1'000'000;
            if (!aside.empty()) end_sessions(session, live_name(), until_ns);
            if (!back.empty()) end_sessions(session, back, until_ns);
            session.execute("BEGIN");
            if (!aside.empty())
                session.execute(fmt::format("ALTER DATABASE {} RENAME TO {}", live, session.quoted_name(aside)),
                                target_.deadline_ms);
            if (!back.empty())
                session.execute(fmt::format("ALTER DATABASE {} RENAME TO {}", session.quoted_name(back), live),
                                target_.deadline_ms);
            session.execute("COMMIT");
        } catch (const Error&) {
            try {
                auto fresh = connect();
                if (!aside.empty() && oid_of(*fresh, live_name())) allow(*fresh, live_name(), allowed);
            } catch (const Error& error) {
                ignore_error(error, "undo() opens it again; why it could not be renamed is what matters");
            }
            throw;
        }
        step("restore.postgres.renamed");
    }

    // Half a database takes no connections, and whoever asks it to loses his own.
    void allow(PgConnection& session, const std::string& name, bool allowed) const {
        if (pg_presence(session, name) == PgPresence::half_dropped) return;
        session.execute(
            fmt::format("ALTER DATABASE {} ALLOW_CONNECTIONS {}", session.quoted_name(name), allowed ? "true" : "false"),
            target_.deadline_ms);
    }

    void end_sessions(PgConnection& session, const std::string& name, int64_t until_ns) const {
        end_pg_sessions(session, settings_.source, name, until_ns);
    }

    void drop(PgConnection& session, const std::string& name) const {
        drop_pg_database(session, settings_.source, name, target_.deadline_ms);
    }

    TargetSpec target_;
    FileSystem& fs_;
    PgSettings settings_;
    SourceSpec spec_;
    mutable std::string live_name_;
};

}  // namespace

std::string pg_name_beside(const std::string& database, const std::string& word, const std::string& restore_id) {
    const std::string end = fmt::format("__{}_{}", word, restore_id);
    std::string begin = database.substr(0, kMostNameBytes - std::min(end.size(), kMostNameBytes));
    // Not in the middle of a character of UTF-8.
    if (begin.size() < database.size()) {
        while (!begin.empty() && (static_cast<unsigned char>(database[begin.size()]) & 0xC0) == 0x80) begin.pop_back();
    }
    return begin + end;
}

std::unique_ptr<EngineTarget> make_pg_target(TargetSpec target, PgSettings settings, SourceSpec spec) {
    if (settings.in_place) return make_pg_in_place_target(std::move(target), std::move(settings));
    return std::make_unique<PgTarget>(std::move(target), std::move(settings), std::move(spec));
}

}  // namespace ingot
