// A source that is put back through its engine: its entries are materialised beside the live ones, opened by the engine, and
// handed to the driver's EngineTarget.
#pragma once

#include "restore/target.h"

namespace ingot {

class EngineSwap : public Target {
public:
    // Null where the driver has no engine target.
    static std::unique_ptr<Target> make(const TargetInput& input);

    void check() override;
    std::vector<SpaceNeed> needs() const override;
    uint64_t replaced_bytes() const override;
    void stage(RestoreResult& result) override;
    void ping() override { engine_->ping(); }
    void prepare_swap() override;
    void swap(RestoreResult& result) override;
    const RestoreResult& counts() const override { return counts_; }

private:
    EngineSwap(const TargetInput& input, const std::string& stage);

    TargetInput input_;
    std::string stage_;
    std::unique_ptr<EngineTarget> engine_;
    RestoreResult counts_;
};

}  // namespace ingot
