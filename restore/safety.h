// The safety snapshot: the old state that a restore set aside, stored from where it lies, once the restore is proven.
//
// It holds the sources that the restore changed, each as it was right before its swap, tags `safety` and `restore-<id>`, and is
// never golden; `latest`, `golden` and --at pass it over. Trees come from the restored snapshot's listing and the stage folders
// (restore/old_tree.h), engines from the old state that their target can still read, else from the raw files that it copied.
// Most of its chunks are known.
//
// Thread safety: one thread, under the restore lock; the repository is open for adding. Errors: those of the store; Error{source}
// where an old state cannot be read. Then nothing is stored. Made once for each restore, also where it is called again.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/progress.h"
#include "restore/journal.h"
#include "snapshot/catalog.h"
#include "snapshot/stack.h"
#include "store/repository.h"

namespace ingot {

struct SafetyResult {
    std::optional<RecordId> id;      // none: there was no old state
    std::vector<std::string> notes;  // what a person should know: a source that was stored as raw bytes
    uint64_t bytes_new = 0;          // plaintext of new chunks
};

SafetyResult take_safety_snapshot(Repository& repository, const Stack& stack, FileSystem& fs, const Journal& journal,
                                  Progress& progress);

// "restore-5f0c9a1b2c3d4e5f"
std::string safety_tag(const std::string& restore_id);

// The fact of a source whose old state is raw bytes, because its engine did not open them: a restore would refuse them.
inline constexpr const char* kRawFact = "raw";

}  // namespace ingot
