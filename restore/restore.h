// Restoring: all targets or none. restore.cc reads as the table of section 5 of the design.
//
// Thread safety: one thread. Errors: Error{failed} nothing was touched; Error{rolled_back} the old state is live again;
// Error{rollback_incomplete} names what a person must do; and those of the store.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/filesystem.h"
#include "base/progress.h"
#include "restore/timeline.h"
#include "snapshot/catalog.h"
#include "snapshot/stack.h"
#include "store/repository.h"

namespace ingot {

struct Journal;

// Stores the old state that a proven restore set aside (restore/safety.h): the id of its safety snapshot, empty where there was
// nothing to store. Throws where that failed: the old state then stays where it lies, and the journal with it.
using KeepOldState = std::function<std::string(const Journal&)>;

struct RestoreResult;

// Called right before the journal of a restore is removed, when everything else is done: what is to be known of the restore later
// must be durable when it returns. `error`: what ended it; null where it went through. It throws nothing.
using BeforeForgetting = std::function<void(const RestoreResult& result, const Error* error)>;

struct RestoreOptions {
    std::vector<std::string> only;  // sources; empty: all that the snapshot holds
    std::string to;                 // a folder: everything goes below DIR/<source>/, nothing live is touched
    bool dry_run = false;
    std::string keep_replaced = {};  // a folder: what the swap replaces is kept in a new folder of it, instead of deleted
    std::string reason = {};         // of a rollback; kept in the journal and in the result
    Timeline::Listener on_step = {};
    KeepOldState keep_old = {};  // null: the old state is deleted
    BeforeForgetting before_forgetting = {};
};

struct RestoreChange {
    enum class What { unchanged, replace, add, remove, metadata } what;
    std::string source;
    std::string path;
    uint64_t bytes = 0;
};

struct RestoreResult {
    std::string restore_id;
    uint64_t targets = 0;
    uint64_t bytes_written = 0;
    uint64_t unchanged = 0, replaced = 0, added = 0, removed = 0, metadata = 0;  // entries
    // From the start of `stop` to the end of `start`; without them from the first swap until every engine took notice of the
    // last.
    int64_t outage_ms = 0;
    int64_t duration_ms = 0;
    std::string outcome;                 // "restored", "planned", "written", "undone"
    std::vector<RestoreChange> changes;  // with dry_run: every one that is not `unchanged`
    std::vector<std::string> problems;   // metadata that could not be set, what was left behind
    std::string kept_in;                 // the folder that holds what was replaced; empty: nothing was kept
    std::string reason;
    std::string safety;              // the id of the safety snapshot; empty: none was made
    std::vector<RestoreStep> steps;  // also those before a crash
    // Of earlier restores whose old state had been set aside (restore/left_aside.h) and is stored, or gone, now: one line each.
    std::vector<std::string> left_finished = {};
};

RestoreResult restore(Repository& repository, const Snapshot& snapshot, Stack& stack, FileSystem& fs,
                      const RestoreOptions& options, Progress& progress);

// Without a config: everything below `to`.
RestoreResult restore_to_folder(Repository& repository, const Snapshot& snapshot, FileSystem& fs, const RestoreOptions& options,
                                Progress& progress);

struct RecoverOptions {
    bool undo = false;  // back, also where probes would pass
    // False, as at boot: the machine starts the services itself, after this. Nothing is probed then, and what their hooks owe
    // stays in the journal for the next recovery.
    bool services = true;
    Timeline::Listener on_step = {};
    KeepOldState keep_old = {};
    BeforeForgetting before_forgetting = {};
    // Old states of earlier restores that were set aside are seen to as well; not where somebody waits for the next restore.
    bool left_aside = false;
};

// Finishes what a crash left: forward where it was proven; where everything was swapped and probes are configured, by what they
// find; else back. Needs no repository. Nothing to do: outcome "nothing".
RestoreResult recover(Stack& stack, FileSystem& fs, Progress& progress, const RecoverOptions& options = {});

}  // namespace ingot
