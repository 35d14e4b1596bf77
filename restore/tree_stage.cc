#include "restore/tree_stage.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/step.h"
#include "restore/stage_folder.h"

namespace ingot {
namespace {

void write_plan(const TreeDraft& draft, FileSystem& fs, const std::string& plan_path) {
    TreePlan plan;
    plan.anchors = draft.anchors;
    std::vector<Beneath> stages;
    for (const DraftStage& stage : draft.stages) {
        plan.stages.push_back(stage.path);
        stages.emplace_back(stage.path);
    }
    TreePlanWriter writer(fs, plan_path, plan);
    for (size_t i = 0; i < draft.moves.size(); ++i) {
        TreeOp op = decode_op(draft.moves.read(i));
        if (op.kind != OpKind::remove) {
            const std::optional<LiveStat> staged = stages.at(op.stage).look(op.staged);
            if (!staged) {
                throw Error(Code::failed, fmt::format("{} was not staged", printable(op.path)),
                            "device nodes can be made by root only: run the restore as root");
            }
            op.new_inode = staged->inode;
            op.new_birth_ns = staged->birth_ns;
        }
        writer.append(op);
    }
    for (size_t i = 0; i < draft.metadata.size(); ++i) writer.append(decode_op(draft.metadata.read(i)));
    writer.finish();
}

}  // namespace

StagedTree stage_tree(const TreeDraft& draft, SnapshotContent& content, FileSystem& fs, const std::string& plan_path) {
    StagedTree staged;
    const FetchContent fetch = [&](const std::function<std::optional<ReadRequest>()>& next, ReadSink& sink) {
        content.read(next, sink);
    };
    for (size_t number = 0; number < draft.stages.size(); ++number) {
        const std::string& stage = draft.stages[number].path;
        make_stage_folder(fs, stage);
        require_exchange(fs, stage);
        const RecordSpool& list = draft.placed[number];
        size_t next = 0;
        const auto next_placed = [&]() -> std::optional<PlacedEntry> {
            if (next == list.size()) return std::nullopt;
            return decode_placed(list.read(next++));
        };
        Placed placed = place_entries(fetch, fs, stage, next_placed, {.metadata = true, .sync = true, .salvage = false});
        staged.bytes += placed.bytes;
        staged.problems.insert(staged.problems.end(), placed.problems.begin(), placed.problems.end());
    }
    step("restore.tree-staged");
    write_plan(draft, fs, plan_path);
    step("restore.plan-saved");
    return staged;
}

}  // namespace ingot
