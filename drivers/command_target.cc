#include "drivers/command_target.h"

#include <fmt/format.h>
#include <sys/file.h>

#include <cerrno>
#include <chrono>
#include <thread>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/step.h"
#include "drivers/command_facts.h"
#include "drivers/command_run.h"
#include "drivers/source_paths.h"

namespace ingot {
namespace {

constexpr std::string_view kMagic = "ingot-command-undo 1\n";
// How often the lock of a command that outlived its restore is asked for.
constexpr std::chrono::milliseconds kLockTick{100};

struct SavedOld {
    bool kept = false;
    uint64_t size = 0;
};

class CommandTarget : public EngineTarget {
public:
    CommandTarget(TargetSpec target, CommandSettings settings, std::string source)
        : spec_(std::move(target)), fs_(*spec_.fs), settings_(std::move(settings)), source_(std::move(source)) {}

    void preflight() override {
        require_runnable(settings_, settings_.restore, the("restore"), Code::failed);
        if (settings_.keep_old) require_runnable(settings_, settings_.snapshot, the("snapshot"), Code::failed);
    }

    void prepare_undo() override {
        if (saved()) return;
        make_dirs(fs_, spec_.work_dir, 0700);
        remove_if_there(old_path());
        SavedOld old;
        if (settings_.keep_old) old = {.kept = true, .size = keep_old()};
        fs_.sync_dir(spec_.work_dir);
        Encoder out;
        out.raw(kMagic).u8(old.kept ? 1 : 0).u64(old.size);
        replace_file(fs_, in_work("undo"), out.bytes());
        step("restore.command.undo-saved");
    }

    void swap() override {
        if (!saved()) throw Error(Code::failed, "a swap without a saved undo: prepare_undo() comes first");
        const std::string staged = staged_path();
        if (!fs_.file_size(staged)) {
            throw Error(Code::failed, fmt::format("{} is not staged", printable(staged)), "run the restore again from its start");
        }
        if (!begun()) write_new_file(fs_, in_work("begun"), {});
        step("restore.command.swap-begun");
        feed(staged);
        step("restore.command.swapped");
    }

    void undo() override {
        if (!saved() || !begun()) {
            if (!saved()) remove_if_there(old_path());
            return;
        }
        const SavedOld old = load();
        wait_for_reader_of(staged_path());
        if (!old.kept) {
            throw Error(
                Code::failed,
                fmt::format("the old state of {} was not kept (undo = \"none\"), so its restore cannot be taken back", source_),
                fmt::format("see what state it is in; `ingot restore WHICH --only {}` puts a snapshot of it back", source_));
        }
        if (fs_.file_size(old_path()) != old.size) {
            throw Error(Code::damaged, fmt::format("{} is not what was kept of {}", printable(old_path()), source_),
                        "restore the source from a snapshot");
        }
        try {
            feed(old_path());
        } catch (const Error& error) {
            throw Error(
                error.code(), error.what(),
                fmt::format("mend what it names, then run `ingot restore --resume`; the old state is {}, to be fed to: {}",
                            printable(old_path()), printable(settings_.restore)));
        }
        remove_if_there(in_work("begun"));
        fs_.sync_dir(spec_.work_dir);
        step("restore.command.undone");
    }

    std::vector<ReplacedFile> replaced() override {
        if (!saved() || !load().kept) return {};
        return {{old_path(), settings_.name}};
    }

private:
    std::string the(const char* what) const { return fmt::format("the {} command of {}", what, source_); }
    std::string in_work(const std::string& name) const { return join(spec_.work_dir, name); }
    std::string old_path() const { return in_work("old"); }
    std::string staged_path() const { return path_in_artifact(spec_.staged_dir, settings_.name); }
    bool saved() const { return fs_.exists(in_work("undo")); }
    bool begun() const { return fs_.exists(in_work("begun")); }
    void remove_if_there(const std::string& path) {
        if (fs_.exists(path)) fs_.remove(path);
    }

    // Runs the snapshot command into `old`, synced.
    uint64_t keep_old() {
        const auto file = fs_.create(old_path(), 0600);
        uint64_t size = 0;
        Command command = source_command(settings_, settings_.snapshot);
        command.idle_limit_ms = settings_.idle_timeout_ms;
        command.output_to = [&](std::span<const uint8_t> bytes) {
            file->append(bytes);
            size += bytes.size();
        };
        const std::string what = fmt::format("keeping the old state of {}", source_);
        const std::string hint = fmt::format(
            "mend the source until its snapshot command works; or, to give the old state up: undo = \"none\" in [sources.{}]",
            source_);
        CommandResult result;
        try {
            result = run(command);
        } catch (const Error& error) {
            throw Error(error.code(), fmt::format("{}: {}", what, error.what()), error.hint().empty() ? hint : error.hint());
        }
        try {
            require_success(settings_, settings_.snapshot, what + ":", result, Code::failed);
        } catch (const Error& error) {
            throw Error(Code::failed, error.what(), hint);
        }
        if (size == 0 && !settings_.allow_empty) {
            throw Error(Code::failed, fmt::format("{}: its snapshot command printed nothing", what), hint);
        }
        file->sync();
        return size;
    }

    SavedOld load() const {
        const Bytes bytes = read_file(fs_, in_work("undo"), 4 << 10);
        Decoder in(bytes, "undo of a command's restore");
        in.expect(kMagic);
        SavedOld old;
        old.kept = in.u8() != 0;
        old.size = in.u64();
        in.finish();
        return old;
    }

    // The lock goes with the last process that has the file as its standard input.
    void feed(const std::string& path) {
        const InputFile input(path, Code::failed);
        lock(input.fd(), path);
        run_on_file(settings_, settings_.restore, the("restore"), input.fd(), Code::failed);
    }

    void wait_for_reader_of(const std::string& path) const {
        if (!fs_.exists(path)) return;
        const InputFile input(path, Code::failed);
        lock(input.fd(), path);
    }

    void lock(int fd, const std::string& path) const {
        const int64_t until_ns = mono_now_ns() + spec_.deadline_ms * 1'000'000;
        while (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
            if (errno == EINTR) continue;
            if (errno != EWOULDBLOCK) throw Error::from_errno("locking", path, errno);
            if (mono_now_ns() >= until_ns) {
                throw Error(Code::failed,
                            fmt::format("the restore command of {} that an earlier, killed run started is still reading {}",
                                        source_, printable(path)),
                            "wait for its end or end it (`fuser` names it), then run `ingot restore --resume`");
            }
            std::this_thread::sleep_for(kLockTick);
        }
    }

    TargetSpec spec_;
    FileSystem& fs_;
    CommandSettings settings_;
    std::string source_;
};

}  // namespace

std::unique_ptr<EngineTarget> make_command_target(TargetSpec target, CommandSettings settings, std::string source) {
    return std::make_unique<CommandTarget>(std::move(target), std::move(settings), std::move(source));
}

}  // namespace ingot
