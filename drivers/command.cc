#include "drivers/command.h"

#include <fmt/format.h>
#include <unistd.h>

#include "base/error.h"
#include "drivers/command_facts.h"
#include "drivers/command_run.h"
#include "drivers/command_target.h"
#include "drivers/source_paths.h"
#include "drivers/whole_stream.h"

namespace ingot {
namespace {

// What a command prints may hold secrets: nobody but the owner reads it.
constexpr uint32_t kMode = 0600;

class CommandPin : public Pin {
public:
    CommandPin(const CommandSettings& settings, const std::string& what, const std::string& spool_dir)
        : settings_(settings), run_(settings, what, spool_dir) {
        moment_.first = run_.started();
        moment_.last = settings.moment == ShownMoment::start ? run_.wait_for_first_byte() : run_.wait_for_end();
        // Tried again, as every pin that fails. A command that hung until its limit is not: once is as long as the writers and
        // the night can wait, so its error is told where its bytes are asked for.
        if (run_.failed_by_itself()) run_.require_good();
    }

    PinMoment moment() const override { return moment_; }

    std::optional<Entry> next() override {
        if (given_) return std::nullopt;
        given_ = true;
        const Moment ended = run_.wait_for_end();
        run_.require_good();
        Entry entry;
        entry.path = settings_.name;
        entry.mode = kMode;
        entry.uid = ::geteuid();
        entry.gid = ::getegid();
        entry.mtime_ns = ended.wall_ms * 1'000'000;
        entry.size = run_.output().size();
        // No fingerprint: only running it tells what it would print.
        return entry;
    }

    std::unique_ptr<Stream> open(const Entry&) override {
        const Spool& output = run_.output();
        return std::make_unique<WholeStream>(
            output.size(), [&output](uint64_t offset, std::span<uint8_t> out) { return output.read_at(offset, out); });
    }

    Facts facts() override {
        run_.wait_for_end();
        run_.require_good();
        return command_facts(settings_, run_.output().path(), run_.output().size(), Code::source);
    }

    PinConsistency consistency() const override {
        return settings_.moment == ShownMoment::unknown ? PinConsistency::fuzzy : PinConsistency::pinned;
    }

    std::vector<std::string> notes() const override {
        std::vector<std::string> out;
        if (settings_.moment == ShownMoment::unknown)
            out.push_back(settings_.name + ": the config says that the output may show several moments (moment = \"unknown\")");
        const std::string warnings = run_.ended() ? run_.warnings() : "";
        if (!warnings.empty())
            out.push_back(fmt::format("{}: the snapshot command ended well, and said: {}", settings_.name, warnings));
        if (!shell_sees_pipes() && settings_.snapshot.find('|') != std::string::npos) {
            out.push_back(settings_.name + ": without /bin/bash only the status of the last program of a pipe is seen");
        }
        return out;
    }

private:
    const CommandSettings& settings_;
    PinMoment moment_;
    bool given_ = false;
    CommandRun run_;
};

}  // namespace

CommandDriver::CommandDriver(SourceSpec source_spec) : Driver(std::move(source_spec)), settings_(command_settings(spec())) {}

std::string CommandDriver::the(const char* what) const { return fmt::format("the {} command of {}", what, spec().name); }

void CommandDriver::prepare() {
    require_runnable(settings_, settings_.snapshot, the("snapshot"), Code::source);
    if (!settings_.check.empty()) require_runnable(settings_, settings_.check, the("check"), Code::source);
}

std::unique_ptr<Pin> CommandDriver::pin() {
    require_runnable(settings_, settings_.snapshot, the("snapshot"), Code::source);
    return std::make_unique<CommandPin>(settings_, the("snapshot"), spec().spool_dir);
}

std::vector<SourceRoot> CommandDriver::roots() const {
    return {{settings_.name, settings_.restore.empty() ? live_path_of(spec().root, settings_.name) : std::string()}};
}

Facts CommandDriver::open_artifact(const std::string& dir) {
    const std::string path = path_in_artifact(dir, settings_.name);
    const std::optional<uint64_t> bytes = real_filesystem().file_size(path);
    if (!bytes) {
        throw Error(Code::damaged, fmt::format("the artifact of {} does not hold {}", spec().name, printable(settings_.name)),
                    "this snapshot was taken under another `name`: mend it, or choose another snapshot");
    }
    if (*bytes == 0 && !settings_.allow_empty) {
        throw Error(Code::damaged, fmt::format("the artifact of {} is empty", spec().name), "choose another snapshot");
    }
    Facts out = command_facts(settings_, path, *bytes, Code::damaged);
    if (settings_.check.empty()) return out;
    const InputFile input(path, Code::damaged);
    run_on_file(settings_, settings_.check, the("check"), input.fd(), Code::damaged);
    out["check"] = std::string("passed");
    return out;
}

std::unique_ptr<EngineTarget> CommandDriver::engine_target(const TargetSpec& target) {
    if (settings_.restore.empty()) return nullptr;
    return make_command_target(target, settings_, spec().name);
}

}  // namespace ingot
