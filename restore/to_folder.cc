#include "restore/to_folder.h"

#include <fmt/format.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/interrupt.h"
#include "base/step.h"
#include "restore/preflight.h"
#include "restore/restore_id.h"
#include "restore/stage_folder.h"
#include "snapshot/materialise.h"

namespace ingot {
namespace {

// The folder that is written into, removed again unless it was put in its place.
class Building {
public:
    Building(FileSystem& fs, const std::string& to, const std::string& name) : fs_(fs), to_(to), inside_(fs.exists(to)) {
        if (inside_) require_empty();
        if (!inside_) make_dirs(fs, parent_of(to), 0755);
        path_ = join(inside_ ? to : parent_of(to), name);
        make_stage_folder(fs, path_);
    }
    Building(const Building&) = delete;
    Building& operator=(const Building&) = delete;
    ~Building() {
        if (placed_) return;
        try {
            remove_stage_folder(fs_, path_);
        } catch (const Error& error) {
            ignore_error(error, "the error that ended the restore is the one to hear of; the folder's name tells what it is");
        }
    }

    const std::string& path() const { return path_; }

    void put_in_place(const std::vector<const ManifestSource*>& sources) {
        fs_.sync_dir(path_);
        if (inside_) {
            for (const ManifestSource* source : sources)
                fs_.rename(join(path_, source->name), join(to_, source->name), Rename::no_replace);
            fs_.sync_dir(path_);
            fs_.sync_dir(to_);
            return;  // the destructor removes the emptied folder
        }
        fs_.rename(path_, to_, Rename::no_replace);
        placed_ = true;
        fs_.sync_dir(parent_of(to_));
    }

private:
    void require_empty() const {
        std::string found;
        fs_.list(to_, [&](const std::string& name) {
            if (name != "lost+found") found = name;  // of a file system made for the purpose
        });
        if (found.empty()) return;
        throw Error(Code::usage, fmt::format("{} is not empty: it holds {}", printable(to_), printable(found)),
                    "name a folder that does not exist yet, or an empty one");
    }

    FileSystem& fs_;
    const std::string to_;
    const bool inside_;
    std::string path_;
    bool placed_ = false;
};

std::string without_end_slash(std::string path) {
    while (path.size() > 1 && path.ends_with('/')) path.pop_back();
    return path;
}

}  // namespace

RestoreResult write_to_folder(Repository& repository, const Snapshot& snapshot, FileSystem& fs, const RestoreOptions& options,
                              Progress& progress) {
    const int64_t started_ns = mono_now_ns();
    const std::vector<const ManifestSource*> sources = wanted_sources(snapshot, options.only, false);
    const std::string to = without_end_slash(options.to);
    RestoreResult result;
    result.restore_id = new_restore_id();
    result.targets = sources.size();
    result.outcome = options.dry_run ? "planned" : "written";
    if (options.dry_run) {
        for (const ManifestSource* source : sources) {
            result.added += source->entries;
            result.changes.push_back({RestoreChange::What::add, source->name, join(to, source->name), source->bytes});
        }
        return result;
    }

    Building building(fs, to, ".ingot-" + result.restore_id);
    uint64_t bytes = 0;
    for (const ManifestSource* source : sources) bytes += source->bytes;
    require_space({{parent_of(building.path()), bytes}});

    check_interrupted();
    MaterialiseOptions materialise_options;
    materialise_options.sync = true;
    materialise_options.salvage = true;
    Materialised written = materialise_all(repository, sources, fs, building.path(), materialise_options, progress);
    result.added = written.entries;
    result.bytes_written = written.bytes;
    result.problems = std::move(written.problems);
    const std::vector<std::string>& lost = written.lost;
    building.put_in_place(sources);
    step("restore.written");
    result.duration_ms = (mono_now_ns() - started_ns) / 1'000'000;
    if (lost.empty()) return result;
    std::string named;
    for (size_t i = 0; i < lost.size() && i < 10; ++i) named += (i == 0 ? "" : "; ") + lost[i];
    throw Error(
        Code::damaged,
        fmt::format("{} files are lost and were left out of {}; the rest is there: {}", lost.size(), printable(to), named),
        "run `ingot check --repair` and `ingot verify`; another snapshot may hold these files");
}

}  // namespace ingot
