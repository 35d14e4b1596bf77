// A target: one source on its way back. Trees are exchanged entry by entry, engines take their artifact through their own API.
//
// What must survive a crash is in its JournalTarget; undo_target and clean_target need nothing else, so that what a crash test
// proves is what runs when a swap fails.
// Thread safety: one thread. Errors: those of the steps; see each.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/progress.h"
#include "restore/content.h"
#include "restore/journal.h"
#include "restore/restore.h"

namespace ingot {

// Bytes that staging or undo will write, at least, and a folder on the file system they go to.
struct SpaceNeed {
    std::string folder;
    uint64_t bytes = 0;
};

struct TargetInput {
    Repository* repository = nullptr;
    SnapshotContent* content = nullptr;
    const ManifestSource* source = nullptr;
    Stack* stack = nullptr;
    Driver* driver = nullptr;
    FileSystem* fs = nullptr;
    Progress* progress = nullptr;
    std::string spool_dir;
    std::string stage_name;  // ".ingot-<restore id>-<number>"
    std::string work_dir;    // of trees
    bool list_changes = false;
    bool golden = false;  // this very content was opened by its engine before
};

class Target {
public:
    virtual ~Target() = default;

    // Compares with the live state, and finds what is in the way. Changes nothing. Error{failed}, Error{damaged}.
    virtual void check() = 0;
    virtual std::vector<SpaceNeed> needs() const = 0;
    // Of the old state that will be replaced, about: what keeping it elsewhere takes.
    virtual uint64_t replaced_bytes() const = 0;
    // Beside the live one, every chunk re-hashed, synced, opened by its engine. Error{failed}, Error{damaged}.
    virtual void stage(RestoreResult& result) = 0;
    // Right before the first target is swapped: is what is live still what check() saw? Cheap, by what stat says. Changes
    // nothing. Error{failed} names the first entry that was changed.
    virtual void look_again() {}
    // Does its engine still answer, now that the services are stopped? Error{failed}.
    virtual void ping() {}
    // Makes undo possible where that takes more than what stage() made.
    virtual void prepare_swap() {}
    virtual void swap(RestoreResult& result) = 0;
    // The restored entries' numbers, and with list_changes each of them. After check().
    virtual const RestoreResult& counts() const = 0;
    // There is nothing to change.
    virtual bool unchanged() const { return false; }

    const JournalTarget& journal() const { return journal_; }

protected:
    JournalTarget journal_;
};

std::unique_ptr<Target> make_target(const TargetInput& input);

// The driver of that source in the stack; null where there is none.
Driver* find_driver_of(const Stack& stack, const std::string& source);

// What an engine's target is made from, now and after a crash.
TargetSpec engine_spec(FileSystem& fs, const JournalTarget& target);

// The old state is live again. Throws Error{rollback_incomplete}.
void undo_target(FileSystem& fs, const Stack& stack, const JournalTarget& target);
// Removes what the target wrote beside the live state.
void clean_target(FileSystem& fs, const Stack& stack, const JournalTarget& target);

}  // namespace ingot
