#include "drivers/postgres.h"

#include <fmt/format.h>

#include "base/error.h"
#include "drivers/command_facts.h"
#include "drivers/postgres_archive.h"
#include "drivers/postgres_database.h"
#include "drivers/postgres_load.h"
#include "drivers/postgres_pin.h"
#include "drivers/postgres_scratch.h"
#include "drivers/postgres_target.h"
#include "drivers/source_paths.h"

namespace ingot {

PostgresDriver::PostgresDriver(SourceSpec source_spec) : Driver(std::move(source_spec)), settings_(pg_settings(spec())) {}

PostgresDriver::~PostgresDriver() = default;

std::vector<SourceRoot> PostgresDriver::roots() const {
    const PgFiles files(spec().name);
    return {{files.database, {}}, {files.dump, {}}, {files.globals, {}}};
}

void PostgresDriver::prepare() {
    warm_ = std::make_unique<PgConnection>(settings_.address(Code::source), Code::source);
    tools_ = std::make_unique<PgTools>(settings_, warm_->server_version() / 10000, Code::source);
}

std::unique_ptr<Pin> PostgresDriver::pin() {
    auto session = std::move(warm_);
    try {
        if (session != nullptr) session->execute("SELECT 1");
    } catch (const Error& error) {
        if (error.code() == Code::interrupted) throw;
        ignore_error(error, "the server was restarted since: a new session says whether it is there");
        session.reset();
    }
    if (session == nullptr) session = std::make_unique<PgConnection>(settings_.address(Code::source), Code::source);
    if (tools_ == nullptr) tools_ = std::make_unique<PgTools>(settings_, session->server_version() / 10000, Code::source);
    return make_pg_pin(settings_, *tools_, std::move(session), spec().spool_dir);
}

Facts PostgresDriver::open_artifact(const std::string& dir) {
    const PgFiles files(spec().name);
    FileSystem& fs = real_filesystem();
    for (const std::string& name : {files.database, files.dump, files.globals}) {
        if (!fs.file_size(path_in_artifact(dir, name))) {
            throw Error(Code::damaged, fmt::format("the artifact of {} does not hold {}", spec().name, printable(name)),
                        "choose another snapshot");
        }
    }
    const PgDatabase database = read_pg_database_file(fs, path_in_artifact(dir, files.database));
    const std::string path = path_in_artifact(dir, files.dump);
    const PgArchive archive = read_pg_archive_file(fs, path);
    // The tool that wrote it, or a newer one; what it cannot read is not damaged for that.
    const PgTools tools(settings_, pg_major_of(archive.dumped_by), Code::failed);
    const InputFile input(path, Code::damaged);
    Command command = tools.offline("pg_restore", {"--list"});
    command.input_fd = input.fd();
    const CommandResult result = run(command);
    if (result.status != 0) {
        const std::string words = pg_last_words(result.err);
        const bool too_new = words.find("unsupported version") != std::string::npos;
        throw Error(too_new ? Code::failed : Code::damaged,
                    fmt::format("pg_restore does not take the dump of {}: {}", spec().name, words),
                    too_new ? "install newer tools of PostgreSQL" : "choose another snapshot");
    }
    Facts out;
    out["database"] = database.name;
    out["dump_entries"] = static_cast<int64_t>(archive.entries);
    out["dump_rows"] = static_cast<int64_t>(archive.rows);
    return out;
}

Fact PostgresDriver::ask_live(const std::string& question) {
    PgConnection session(settings_.address(Code::failed), Code::failed);
    session.execute("BEGIN READ ONLY");
    return fact_from(session.value(question));
}

std::optional<EngineMatch> PostgresDriver::match_engine(const Facts& then) {
    // The database itself may be gone: that is why it is restored.
    PgConnection session(settings_.address(Code::failed).with_database(settings_.maintenance_database), Code::failed);
    return match_pg_versions(text_fact(then, "server_version"), session.value("SELECT current_setting('server_version')"),
                             settings_);
}

std::unique_ptr<EngineTarget> PostgresDriver::engine_target(const TargetSpec& target) {
    return make_pg_target(target, settings_, spec());
}

std::unique_ptr<ScratchTarget> PostgresDriver::scratch_target(const ScratchSpec& scratch) {
    if (settings_.scratch == PgSettings::Scratch::files) return nullptr;
    return make_pg_scratch(scratch, settings_, spec());
}

}  // namespace ingot
