#include "drivers/postgres_in_place.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/step.h"
#include "drivers/postgres_load.h"
#include "drivers/postgres_tools.h"

namespace ingot {
namespace {

constexpr std::string_view kMagic = "ingot-postgres-in-place 1\n";

class PgInPlaceTarget : public EngineTarget {
public:
    PgInPlaceTarget(TargetSpec target, PgSettings settings)
        : target_(std::move(target)), fs_(*target_.fs), settings_(std::move(settings)), files_(settings_.source) {}

    void preflight() override {
        auto session = connect();
        const PgTools tools(settings_, session->server_version() / 10000, Code::failed);
        if (session->value("SELECT pg_is_in_recovery()") == "t")
            throw Error(Code::failed, settings_.source + ": the server is a standby, and read-only", "restore into the primary");
        if (fs_.exists(join(target_.staged_dir, files_.database))) {
            require_loadable(*session, settings_, PgStaged(fs_, target_.staged_dir, settings_.source));
        }
    }

    // Nothing can be loaded beside the live state, but what would keep it from being loaded is found before services are stopped.
    void stage() override {
        auto session = connect();
        require_loadable(*session, settings_, PgStaged(fs_, target_.staged_dir, settings_.source));
    }

    void prepare_undo() override {
        if (fs_.exists(in_work("undo"))) return;
        make_dirs(fs_, target_.work_dir, 0700);
        for (const std::string& name : {files_.dump, files_.database}) {
            if (fs_.exists(in_work(name))) fs_.remove(in_work(name));
        }
        auto session = connect();
        const std::string database = encode_pg_database(read_pg_database(*session));
        write_new_file(fs_, in_work(files_.database), view_of(database));
        const PgTools tools(settings_, session->server_version() / 10000, Code::failed);
        Command command = tools.command(
            "pg_dump", {"--format=custom", "--compress=0", fmt::format("--lock-wait-timeout={}", target_.deadline_ms)},
            settings_.address(Code::failed).database());
        command.idle_limit_ms = settings_.idle_timeout_ms;
        const auto file = fs_.create(in_work(files_.dump), 0600);
        command.output_to = [&](std::span<const uint8_t> bytes) { file->append(bytes); };
        tools.run(command, "keeping the old state of " + settings_.source);
        file->sync();
        fs_.sync_dir(target_.work_dir);
        (void)PgStaged(fs_, target_.work_dir, settings_.source);  // reads it to its end
        replace_file(fs_, in_work("undo"), view_of(kMagic));
        step("restore.postgres.undo-saved");
    }

    void swap() override {
        if (!fs_.exists(in_work("undo"))) throw Error(Code::failed, "a swap without a saved undo: prepare_undo() comes first");
        if (!fs_.exists(in_work("begun"))) write_new_file(fs_, in_work("begun"), {});
        step("restore.postgres.begun");
        load(target_.staged_dir);
        step("restore.postgres.swapped");
    }

    void undo() override {
        if (!fs_.exists(in_work("undo")) || !fs_.exists(in_work("begun"))) return;
        load(target_.work_dir);
        fs_.remove(in_work("begun"));
        fs_.sync_dir(target_.work_dir);
        step("restore.postgres.undone");
    }

    std::vector<ReplacedFile> replaced() override {
        if (!fs_.exists(in_work("undo"))) return {};
        return {{in_work(files_.database), files_.database}, {in_work(files_.dump), files_.dump}};
    }

private:
    std::string in_work(const std::string& name) const { return join(target_.work_dir, name); }
    std::unique_ptr<PgConnection> connect() const {
        return std::make_unique<PgConnection>(settings_.address(Code::failed), Code::failed);
    }

    // One transaction: all of it or nothing. Idempotent, because what is there is dropped first.
    void load(const std::string& dir) {
        auto session = connect();
        const PgStaged staged(fs_, dir, settings_.source);
        const std::string live = settings_.address(Code::failed).database();
        PgLoad how{.database = live, .server_major = session->server_version() / 10000};
        how.lock_wait_ms = target_.deadline_ms;
        how.extra = {"--clean", "--if-exists"};
        load_dump(settings_, staged, how);
        for (const std::string& statement : property_statements(*session, staged.database, live)) session->execute(statement);
    }

    TargetSpec target_;
    FileSystem& fs_;
    PgSettings settings_;
    const PgFiles files_;
};

}  // namespace

std::unique_ptr<EngineTarget> make_pg_in_place_target(TargetSpec target, PgSettings settings) {
    return std::make_unique<PgInPlaceTarget>(std::move(target), std::move(settings));
}

}  // namespace ingot
