// The driver of any program: what it prints is the source's one file, and a restore feeds it back (docs/drivers/command.md).
//
// Pin: the snapshot command is started, its output goes into a nameless spool. With `moment = "end"` (the default) pin() returns
// when it has ended, with "start" as soon as its first byte is there. Nothing is delivered before it ended well: a command that
// fails half way is an Error{source}, and none of its output is stored.
//
// Thread safety: as any Driver. Errors: as any Driver.
#pragma once

#include "drivers/command_settings.h"
#include "drivers/driver.h"

namespace ingot {

class CommandDriver : public Driver {
public:
    // Throws Error{usage}.
    explicit CommandDriver(SourceSpec spec);

    // The folder and the programs are there.
    void prepare() override;
    std::unique_ptr<Pin> pin() override;
    // One. Without a restore command its live path is where a restore puts the output as a file; else there is none.
    std::vector<SourceRoot> roots() const override;
    bool lives_at_roots() const override { return false; }
    bool may_be_empty() const override { return settings_.allow_empty; }
    // The check command takes it, and the facts again.
    Facts open_artifact(const std::string& dir) override;
    bool artifact_needs_files() const override { return !settings_.check.empty() || !settings_.facts.empty(); }
    std::unique_ptr<EngineTarget> engine_target(const TargetSpec& target) override;

private:
    std::string the(const char* what) const;

    CommandSettings settings_;
};

}  // namespace ingot
