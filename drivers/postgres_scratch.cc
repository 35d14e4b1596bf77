#include "drivers/postgres_scratch.h"

#include <fmt/format.h>

#include <set>

#include "base/error.h"
#include "base/step.h"
#include "drivers/command_facts.h"
#include "drivers/postgres_drop.h"
#include "drivers/postgres_load.h"
#include "drivers/postgres_temporary.h"
#include "drivers/postgres_tools.h"

namespace ingot {
namespace {

using Scratch = PgSettings::Scratch;
constexpr const char* kPrefix = "ingot_drill_";
// For what still reads it: a drill's own sessions, which end with it.
constexpr int64_t kSessionsMs = 10'000;

class PgScratch : public ScratchTarget {
public:
    PgScratch(const ScratchSpec& scratch, const PgSettings& settings, SourceSpec spec)
        : scratch_(scratch),
          name_(kPrefix + scratch.id),
          settings_(settings),
          spec_(std::move(spec)),
          server_(scratch.work_dir, scratch.id) {}

    std::string shown() const override {
        if (server_.running()) return fmt::format("the database {} of a temporary server of PostgreSQL", name_);
        return fmt::format("the database {} of the server of {}", name_, settings_.source);
    }

    Facts load() override {
        began_ = true;
        PgStaged staged(*scratch_.fs, scratch_.artifact_dir, settings_.source);
        std::unique_ptr<PgConnection> session = reach(staged);
        if (server_.running()) {
            make_roles(*session, staged.database);
            // Its tablespaces are folders of the live server.
            staged.database.tablespace.clear();
        }
        require_loadable(*session, settings_, staged);
        require_room(*session, settings_, staged.database.bytes, "drill where there is: scratch = \"server\" in the config");
        session->execute(create_statement(*session, staged.database, name_), kPgDatabaseMs);
        step("drill.postgres.created");
        PgLoad load{.database = name_, .server_major = session->server_version() / 10000, .interruptible = true};
        if (server_.running()) load.extra = {"--no-tablespaces"};
        load_dump(settings_, staged, load);
        for (const std::string& statement : property_statements(*session, staged.database, name_)) session->execute(statement);
        return facts();
    }

    SourceSpec source() const override {
        SourceSpec out = spec_;
        if (server_.running()) out.options = {{"url", settings_.url}};
        out.options["database"] = name_;
        return out;
    }

    void remove() override {
        if (server_.running() || settings_.scratch == Scratch::server) return server_.remove();
        server_.remove();
        // Where load() never ran here, the process whose id this is may have made it in the live server.
        if (began_ && !made_) return;
        try {
            drop_pg_database(*connect(), settings_.source, name_, kSessionsMs);
        } catch (const Error& error) {
            throw stays(error);
        }
        made_ = false;
        step("drill.postgres.dropped");
    }

private:
    Error stays(const Error& error) const {
        return {Code::failed, fmt::format("{} stays: {}", shown(), error.what()), fmt::format("DROP DATABASE {}", name_)};
    }

    std::unique_ptr<PgConnection> connect() const {
        return std::make_unique<PgConnection>(settings_.address(Code::failed).with_database(settings_.maintenance_database),
                                              Code::failed);
    }

    // A session in the server that it is to be loaded into.
    std::unique_ptr<PgConnection> reach(const PgStaged& staged) {
        const int needed = static_cast<int>(staged.database.server_version / 10000);
        std::string why = "the config says scratch = \"server\"";
        if (settings_.scratch != Scratch::server) {
            const std::string live = settings_.address(Code::failed).database();
            if (live.starts_with(kPrefix)) {
                throw Error(Code::usage,
                            fmt::format("the live database of {} is {}, which is what a drill makes and drops", settings_.source,
                                        printable(live)),
                            "rename it, or name the right one in `url`");
            }
            try {
                auto session = connect();
                if (session->value("SELECT pg_is_in_recovery()") != "t") {
                    require_rights(*session);
                    made_ = true;
                    return session;
                }
                why = "the live server is a standby, and read-only";
                if (settings_.scratch == Scratch::database)
                    throw Error(Code::failed, fmt::format("{}: {}", settings_.source, why), "say scratch = \"server\"");
            } catch (const Error& error) {
                if (settings_.scratch == Scratch::database || may_not_) throw;
                if (error.code() == Code::interrupted) throw;
                why = error.what();
            }
        }
        const std::optional<int> major = PgTemporary::installed(needed);
        if (!major) {
            throw Error(Code::failed,
                        fmt::format("{} cannot be loaded into a scratch database: {}; and no server of version {} or newer is "
                                    "installed here that could be started for it",
                                    settings_.source, why, needed),
                        fmt::format("apt-get install postgresql-{}, or say scratch = \"files\" in the config", needed));
        }
        server_.start(*major, settings_.source);
        step("drill.postgres.started");
        PgSettings own;
        own.source = settings_.source;
        own.url = server_.conninfo();
        own.maintenance_database = "postgres";
        own.timeout_ms = settings_.timeout_ms;
        own.idle_timeout_ms = settings_.idle_timeout_ms;
        own.facts = settings_.facts;
        own.scratch = settings_.scratch;
        settings_ = own;
        return connect();
    }

    void require_rights(PgConnection& session) {
        if (session.value("SELECT rolsuper OR rolcreatedb FROM pg_roles WHERE rolname = current_user") == "t") return;
        may_not_ = true;
        throw Error(Code::failed, fmt::format("{}: the role of `url` may not create a scratch database", settings_.source),
                    "ALTER ROLE ... CREATEDB, or drill in a server of its own: scratch = \"server\" in the config");
    }

    static void make_roles(PgConnection& session, const PgDatabase& database) {
        std::set<std::string> roles(database.roles.begin(), database.roles.end());
        roles.insert(database.owner);
        for (const auto& each : database.settings) roles.insert(each.role);
        for (const auto& each : database.grants) roles.insert(each.role);
        roles.erase("");
        for (const PgRow& there : session.query("SELECT rolname FROM pg_roles")) roles.erase(there[0].value_or(""));
        for (const std::string& role : roles) session.execute("CREATE ROLE " + session.quoted_name(role));
    }

    Facts facts() {
        Facts out{{"scratch", shown()}};
        PgConnection session(settings_.address(Code::failed).with_database(name_), Code::failed);
        session.execute("BEGIN READ ONLY");
        for (const auto& [name, question] : settings_.facts) {
            try {
                out[name] = fact_from(session.value(question, settings_.idle_timeout_ms));
            } catch (const Error& error) {
                throw error.within("the fact " + printable(name));
            }
        }
        return out;
    }

    const ScratchSpec scratch_;
    const std::string name_;
    PgSettings settings_;  // of the server that it is in
    const SourceSpec spec_;
    PgTemporary server_;
    bool began_ = false;    // load() ran
    bool made_ = false;     // there may be a database in the live server
    bool may_not_ = false;  // it is there, and says no: another server would hide that
};

}  // namespace

std::unique_ptr<ScratchTarget> make_pg_scratch(const ScratchSpec& scratch, const PgSettings& settings, const SourceSpec& spec) {
    return std::make_unique<PgScratch>(scratch, settings, spec);
}

}  // namespace ingot
