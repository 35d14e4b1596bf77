#include "restore/engine_swap.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/step.h"
#include "restore/stage_folder.h"
#include "snapshot/materialise.h"

namespace ingot {

EngineSwap::EngineSwap(const TargetInput& input, const std::string& stage) : input_(input), stage_(stage) {
    journal_.source = input.source->name;
    journal_.driver = input.source->driver;
    journal_.roots = input.driver->roots();
    journal_.engine = true;
    journal_.stage_dirs = {stage};
    journal_.staged_dir = join(stage, "staged");
    journal_.work_dir = join(stage, "work");
    engine_ = input.driver->engine_target(engine_spec(*input.fs, journal_));
}

std::unique_ptr<Target> EngineSwap::make(const TargetInput& input) {
    const std::vector<SourceRoot> roots = input.driver->roots();
    if (roots.empty()) return nullptr;
    // What has no place in the file system is staged in the state directory.
    const std::string& live = roots.front().live_path;
    const std::string folder = parent_of(live.empty() ? input.work_dir : live);
    auto target = std::unique_ptr<EngineSwap>(new EngineSwap(input, join(folder, input.stage_name)));
    if (target->engine_ == nullptr) return nullptr;
    return target;
}

void EngineSwap::check() {
    FileSystem& fs = *input_.fs;
    const std::string folder = parent_of(stage_);
    if (!fs.exists(folder)) {
        throw Error(Code::failed, fmt::format("{}: the folder {} is not there", input_.source->name, printable(folder)),
                    fmt::format("make it with the owner and mode it should have, then run the restore again: mkdir -p {}",
                                printable(folder)));
    }
    engine_->preflight();
    for (const SourceRoot& root : input_.driver->roots()) {
        const bool there = root.live_path.empty() || fs.exists(root.live_path);
        ++(there ? counts_.replaced : counts_.added);
        if (input_.list_changes) {
            counts_.changes.push_back({there ? RestoreChange::What::replace : RestoreChange::What::add, input_.source->name,
                                       root.listing_path, input_.source->bytes});
        }
    }
}

// The staged artifact, what the engine writes while it takes it in (a journal of the same size), and the copy of the live state.
std::vector<SpaceNeed> EngineSwap::needs() const { return {{parent_of(stage_), 2 * input_.source->bytes + replaced_bytes()}}; }

uint64_t EngineSwap::replaced_bytes() const {
    uint64_t bytes = 0;
    for (const SourceRoot& root : input_.driver->roots()) bytes += input_.fs->file_size(root.live_path).value_or(0);
    return bytes;
}

void EngineSwap::stage(RestoreResult& result) {
    FileSystem& fs = *input_.fs;
    make_stage_folder(fs, stage_);
    (void)fs.make_dir(journal_.work_dir, 0700);
    MaterialiseOptions options;
    options.sync = true;
    Materialised staged = materialise(*input_.repository, *input_.source, fs, journal_.staged_dir, options, *input_.progress);
    fs.sync_dir(stage_);
    try {
        (void)input_.driver->open_artifact(journal_.staged_dir);
    } catch (const Error& error) {
        throw error.within(fmt::format("{}: the staged artifact does not open", input_.source->name));
    }
    result.bytes_written += staged.bytes;
    result.problems.insert(result.problems.end(), staged.problems.begin(), staged.problems.end());
    step("restore.engine-staged");
    engine_->stage();
    step("restore.engine-loaded");
}

void EngineSwap::prepare_swap() {
    engine_->prepare_undo();
    step("restore.undo-prepared");
}

void EngineSwap::swap(RestoreResult&) { engine_->swap(); }

}  // namespace ingot
