// Carrying out a plan, and taking it back. Both need nothing but the plan file and what lies on the disk, are idempotent, and
// may be started again from wherever they stopped, by this process or another one.   (I7)
//
// Thread safety: one thread.
#pragma once

#include <string>
#include <vector>

#include "restore/tree_plan.h"

namespace ingot {

class TreeSwap {
public:
    // Throws Error{damaged} for a damaged plan, Error{not_found} where there is none.
    TreeSwap(FileSystem& fs, const std::string& plan_path);

    // Is every operation still to be done, and its live entry what the plan saw? Error{failed} names the first that is not.
    // Changes nothing: what is found here ends the restore before the swap, what swap() finds takes it back.
    void look_again() const;

    // Every operation, then a sync of every folder it touched: durable when it returns. Before each move the live entry must
    // still be what the plan saw; else Error{failed} says that it was changed. Returns metadata that could not be set.
    std::vector<std::string> swap();

    // The old tree is live again, durably. Goes on after problems, twice over; then throws Error{rollback_incomplete} that names
    // what a person must do.
    void undo();

private:
    enum class Done { no, yes, neither };

    Reached live(const TreeOp& op) const { return anchors_.at(op.anchor).at(op.path); }
    Reached staged(const TreeOp& op) const { return stages_.at(op.stage).at(op.staged); }
    static Done is_done(const TreeOp& op, const std::optional<LiveStat>& at_live, const std::optional<LiveStat>& at_stage);
    static void require_unchanged(const TreeOp& op, const std::optional<LiveStat>& now, const std::string& name);
    Done require_ready(const TreeOp& op, const Reached& at_live, const Reached& at_stage) const;
    void carry_out(const TreeOp& op);
    void rename(const TreeOp& op, const Reached& at_live, const Reached& at_stage, bool back);
    void undo_move(const TreeOp& op);
    void undo_once(std::vector<std::string>& problems);
    std::vector<std::string> set_metadata(const TreeOp& op, const Metadata& metadata) const;
    void sync_touched();

    FileSystem& fs_;
    TreePlanFile plan_;
    std::vector<Beneath> anchors_;
    std::vector<Beneath> stages_;
};

}  // namespace ingot
