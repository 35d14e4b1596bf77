// A source that is put back as a tree, entry by entry: compare, open the artifact with its engine where it has one, stage, swap.
#pragma once

#include "restore/target.h"
#include "restore/tree_compare.h"

namespace ingot {

std::string tree_plan_path(const std::string& work_dir);

class TreeTarget : public Target {
public:
    explicit TreeTarget(const TargetInput& input);

    void check() override;
    std::vector<SpaceNeed> needs() const override;
    uint64_t replaced_bytes() const override { return draft_->replaced_bytes; }
    void stage(RestoreResult& result) override;
    void look_again() override;
    void swap(RestoreResult& result) override;
    const RestoreResult& counts() const override { return draft_->counts; }
    bool unchanged() const override { return draft_->empty(); }

private:
    bool opens_before_swap() const;
    void open_artifact() const;

    TargetInput input_;
    CompareInput compare_;
    std::unique_ptr<TreeDraft> draft_;  // after check()
};

// Does this live path belong to another source of the stack? A source's root that lies within another source's belongs to the
// inner one; where two name the same place, to the one that goes through its engine, else to the first.
std::function<bool(const std::string& live_path)> belongs_to_others(const Stack& stack, const Driver& own);

}  // namespace ingot
