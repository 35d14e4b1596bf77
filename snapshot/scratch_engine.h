// A source's artifact in a scratch engine (drivers/driver.h, ScratchTarget), from making it to removing it.
//
// Before anything is made, a note of it is durable in the state directory, "drill-<id>", locked while it is used: what a process
// that was killed left in a server is removed by the next drill of the stack, by the same id.
//
//   note := stack "\n" source "\n"
//
// Thread safety: one thread. Errors: those of ScratchTarget.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/scratch_folder.h"
#include "drivers/driver.h"
#include "snapshot/stack.h"

namespace ingot {

class ScratchEngine {
public:
    // `artifact_dir`: the source's entries, materialised. `work_parent`: a folder that is there, for what a temporary server
    // needs. All of it outlives this.
    ScratchEngine(const Stack& stack, Driver& source, const std::string& artifact_dir, const std::string& work_parent);
    ScratchEngine(const ScratchEngine&) = delete;
    ScratchEngine& operator=(const ScratchEngine&) = delete;
    // Removes what is there still; what could not be removed stays noted.
    ~ScratchEngine();

    // Is there an engine for this kind of source, here?
    bool possible() const { return target_ != nullptr; }
    std::string shown() const { return target_->shown(); }
    Facts load();
    // After load(): asks the scratch engine.
    Driver& driver() { return *driver_; }
    // Throws Error{failed} that names what stays; the next drill tries again.
    void remove();

    // Loaded, asked and removed.
    template <class Ask>
    auto use(const Ask& ask) {
        load();
        auto answer = ask(driver());
        remove();
        return answer;
    }

private:
    void note();

    const Stack& stack_;
    Driver& source_;
    const std::string work_parent_;
    std::string id_;
    std::string note_;  // the file's path; empty: there is none
    int note_fd_ = -1;
    bool began_ = false;  // load() did: there may be something to remove
    std::optional<ScratchFolder> work_;
    std::unique_ptr<ScratchTarget> target_;
    std::unique_ptr<Driver> driver_;
};

// Removes what processes that died left in the engines of this stack; one line for each that could not be removed.
std::vector<std::string> sweep_scratch_engines(const Stack& stack);

}  // namespace ingot
