#include "restore/tree_target.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/scratch_folder.h"
#include "base/step.h"
#include "restore/tree_stage.h"
#include "restore/tree_swap.h"
#include "snapshot/materialise.h"

namespace ingot {
namespace {

bool has_engine(Driver& driver) {
    TargetSpec none;
    none.fs = &real_filesystem();
    return driver.engine_target(none) != nullptr;
}

}  // namespace

std::string tree_plan_path(const std::string& work_dir) { return join(work_dir, "plan"); }

std::function<bool(const std::string& live_path)> belongs_to_others(const Stack& stack, const Driver& own) {
    std::vector<std::string> theirs;
    bool own_seen = false;
    for (const std::unique_ptr<Driver>& other : stack.sources) {
        if (other.get() == &own) {
            own_seen = true;
            continue;
        }
        const bool engine = has_engine(*other);
        for (const SourceRoot& root : other->roots()) {
            const bool inner = std::ranges::any_of(own.roots(), [&](const SourceRoot& ours) {
                if (!is_below(root.live_path, ours.live_path)) return false;
                return root.live_path != ours.live_path || engine || !own_seen;
            });
            if (!inner) continue;
            theirs.push_back(root.live_path);
            // Engines keep files of their own beside the one that is configured; moving those aside corrupts the database.
            if (engine)
                theirs.insert(theirs.end(), {root.live_path + "-wal", root.live_path + "-shm", root.live_path + "-journal"});
        }
    }
    return [theirs = std::move(theirs)](const std::string& live_path) {
        return std::ranges::any_of(theirs, [&](const std::string& root) { return is_below(live_path, root); });
    };
}

TreeTarget::TreeTarget(const TargetInput& input) : input_(input) {
    journal_.source = input.source->name;
    journal_.driver = input.source->driver;
    journal_.roots = input.driver->roots();
    journal_.work_dir = input.work_dir;
}

void TreeTarget::check() {
    const ManifestSource& source = *input_.source;
    CompareInput& compare = compare_;
    compare.source = source.name;
    for (const SourceRoot& root : input_.driver->roots()) {
        // A path that the config has and the snapshot has not was not the source's then: it is left as it is.
        if (std::ranges::find(source.roots, root.listing_path) == source.roots.end()) continue;
        compare.roots.push_back(live_root(root, input_.stack->root));
    }
    compare.listing = [this] {
        Reader reader(*input_.repository);
        auto listing = std::make_shared<ListingReader>(open_listing(reader, *input_.source->listing, input_.spool_dir));
        return [listing] { return listing->next(); };
    };
    compare.excluded = [this](const std::string& path) { return input_.driver->excluded(path); };
    compare.foreign = belongs_to_others(*input_.stack, *input_.driver);
    compare.spool_dir = input_.spool_dir;
    compare.stage_name = input_.stage_name;
    compare.list_changes = input_.list_changes;
    input_.progress->phase(fmt::format("comparing {}", source.name), 0);
    draft_ = std::make_unique<TreeDraft>(compare_tree(compare, *input_.content, *input_.fs));
    for (const DraftStage& stage : draft_->stages) journal_.stage_dirs.push_back(stage.path);
    for (const std::string& note : draft_->notes) input_.progress->note(fmt::format("{}: {}", source.name, note));
}

std::vector<SpaceNeed> TreeTarget::needs() const {
    std::vector<SpaceNeed> needs;
    for (const DraftStage& stage : draft_->stages) needs.push_back({stage.host, stage.bytes});
    if (opens_before_swap()) needs.push_back({input_.spool_dir, input_.source->bytes});
    return needs;
}

bool TreeTarget::opens_before_swap() const {
    if (draft_->empty() || !input_.driver->artifact_needs_files()) return false;
    return !input_.golden || input_.driver->open_before_swap();
}

// All of it, not only what is staged: an engine opens a whole artifact or none.
void TreeTarget::open_artifact() const {
    input_.progress->phase(fmt::format("opening {}", input_.source->name), input_.source->bytes);
    const ScratchFolder scratch(*input_.fs, input_.spool_dir);
    MaterialiseOptions options;
    options.metadata = false;
    (void)materialise(*input_.repository, *input_.source, *input_.fs, scratch.path(), options, *input_.progress);
    try {
        (void)input_.driver->open_artifact(scratch.path());
    } catch (const Error& error) {
        throw error.within(fmt::format("{}: the snapshot's artifact does not open", input_.source->name));
    }
    step("restore.artifact-opened");
}

void TreeTarget::stage(RestoreResult& result) {
    if (opens_before_swap()) open_artifact();
    make_dirs(*input_.fs, input_.work_dir, 0700);
    uint64_t bytes = 0;
    for (const DraftStage& stage : draft_->stages) bytes += stage.bytes;
    input_.progress->phase(fmt::format("staging {}", input_.source->name), bytes);
    StagedTree staged = stage_tree(*draft_, *input_.content, *input_.fs, tree_plan_path(input_.work_dir));
    result.bytes_written += staged.bytes;
    result.problems.insert(result.problems.end(), staged.problems.begin(), staged.problems.end());
}

void TreeTarget::look_again() {
    std::deque<Beneath> anchors;
    for (const std::string& anchor : draft_->anchors) anchors.emplace_back(anchor);
    draft_->seen.look_again(anchors, LeftAlone(compare_.excluded, compare_.foreign));
    TreeSwap(*input_.fs, tree_plan_path(input_.work_dir)).look_again();
}

void TreeTarget::swap(RestoreResult& result) {
    std::vector<std::string> problems = TreeSwap(*input_.fs, tree_plan_path(input_.work_dir)).swap();
    result.problems.insert(result.problems.end(), problems.begin(), problems.end());
}

}  // namespace ingot
