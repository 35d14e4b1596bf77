#include "restore/target.h"

#include <fmt/format.h>

#include "base/step.h"
#include "restore/engine_swap.h"
#include "restore/stage_folder.h"
#include "restore/tree_swap.h"
#include "restore/tree_target.h"

namespace ingot {

Driver* find_driver_of(const Stack& stack, const std::string& source) {
    for (const std::unique_ptr<Driver>& driver : stack.sources) {
        if (driver->spec().name == source) return driver.get();
    }
    return nullptr;
}

std::unique_ptr<Target> make_target(const TargetInput& input) {
    if (std::unique_ptr<Target> engine = EngineSwap::make(input)) return engine;
    return std::make_unique<TreeTarget>(input);
}

TargetSpec engine_spec(FileSystem& fs, const JournalTarget& target) {
    TargetSpec spec;
    spec.fs = &fs;
    spec.staged_dir = target.staged_dir;
    spec.work_dir = target.work_dir;
    // Stage folders are ".ingot-<restore id>-<number>".
    const std::string stage = base_name_of(target.stage_dirs.at(0));
    const size_t from = stage.find('-') + 1;
    spec.restore_id = stage.substr(from, stage.find_last_of('-') - from);
    return spec;
}

// Null where the source is no longer in the config, or is of another kind now.
static std::unique_ptr<EngineTarget> engine_of(FileSystem& fs, const Stack& stack, const JournalTarget& target) {
    Driver* driver = find_driver_of(stack, target.source);
    return driver == nullptr ? nullptr : driver->engine_target(engine_spec(fs, target));
}

static void undo_engine(FileSystem& fs, const Stack& stack, const JournalTarget& target) {
    const std::unique_ptr<EngineTarget> engine = engine_of(fs, stack, target);
    if (engine == nullptr) {
        throw Error(Code::rollback_incomplete,
                    fmt::format("source {} ({}) is no longer in the config: its old state is in {}", target.source, target.driver,
                                printable(target.work_dir)),
                    "put the source back into the config, then run `ingot restore --resume`");
    }
    engine->undo();
}

void undo_target(FileSystem& fs, const Stack& stack, const JournalTarget& target) {
    try {
        if (target.engine) return undo_engine(fs, stack, target);
        TreeSwap(fs, tree_plan_path(target.work_dir)).undo();
    } catch (const Error& error) {
        const std::string hint = error.hint().empty() ? "mend what is named, then run `ingot restore --resume`" : error.hint();
        throw Error(Code::rollback_incomplete, fmt::format("putting back the old state of {}: {}", target.source, error.what()),
                    hint);
    }
}

// Only where staging had begun: before, the engine holds nothing of ours.
static void discard_beside(FileSystem& fs, const Stack& stack, const JournalTarget& target) {
    if (!target.engine || !fs.exists(target.stage_dirs.at(0))) return;
    const std::unique_ptr<EngineTarget> engine = engine_of(fs, stack, target);
    if (engine == nullptr) {
        throw Error(Code::failed,
                    fmt::format("source {} ({}) is no longer in the config: what its engine holds beside the live state stays",
                                target.source, target.driver),
                    "put the source back into the config, then run `ingot restore --resume`");
    }
    engine->discard();
    step("restore.engine-discarded");
}

void clean_target(FileSystem& fs, const Stack& stack, const JournalTarget& target) {
    discard_beside(fs, stack, target);
    for (const std::string& folder : target.stage_dirs) remove_stage_folder(fs, folder);
    if (!target.engine) remove_tree(fs, target.work_dir);
}

}  // namespace ingot
