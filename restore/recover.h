// Finishing a restore from its journal: what recovery after a crash and the end of a running restore have in common.
//
// Thread safety: one thread, under the restore lock. Needs no repository. Idempotent, also when it is killed.
#pragma once

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "restore/journal.h"
#include "restore/restore.h"
#include "restore/services.h"

namespace ingot {

// Every target whose swap was begun gets its old state back, in reverse, within its source's hooks; then the journal says that
// there is nothing to undo.
// Goes on with the other targets after one failed, then throws Error{rollback_incomplete} naming all that is left to do.
// Then the engines of `told`, sources that took notice of the new files or may have, take notice of the old ones; one that does
// not is named in `problems`, and ends nothing: the old state is live.
// False: the old state is live, but the journal could not be told so: the stages must stay until recovery has told it.
bool undo_all(FileSystem& fs, const Stack& stack, JournalFile& file, Journal& journal, Services& services,
              const std::set<std::string>& told, std::vector<std::string>& problems);

struct Ending {
    std::vector<std::string> left;      // what is left behind, one line each: the journal is kept
    std::vector<std::string> problems;  // what else a person should know
    std::string safety;                 // the id of the safety snapshot
};

// Called when only the journal is left to be removed. Null: nobody wants to know.
using Forgetting = std::function<void(const Ending&)>;

// Removes stages and work folders, then the journal by `remove`. What cannot be removed is returned, one line each, and the
// journal is kept.
std::vector<std::string> clean_all(FileSystem& fs, const Stack& stack, const Journal& journal,
                                   const std::function<void()>& remove);

// The services stop, undo_all, the services start (also where undo_all failed, I8), then clean_all where that may be.
// `unsure`: after a crash, when the machine may have started services by itself.
Ending undo_and_clean(FileSystem& fs, const Stack& stack, JournalFile& file, Journal& journal, Services& services, bool unsure,
                      const std::set<std::string>& told, const Forgetting& forgetting);

// Of a restore that is proven, where `undrain` failed: exit 22, for somebody has to see to it.
Error undrain_failed(const Error& error, const Stack& stack);

// Forward, from `proven`: stores the old state (`keep_old`, where it is given), keeps what was replaced where that was asked for
// (keep_replaced.h), then clean_all with `remove`. What could not be kept stays where it lies, and the journal with it.
// `last`: it is the newest restore, which `ingot undo` takes back where nobody names one.
Ending finish_proven(FileSystem& fs, const Stack& stack, const Journal& journal, const KeepOldState& keep_old, bool last,
                     const Forgetting& forgetting, const std::function<void()>& remove);

}  // namespace ingot
