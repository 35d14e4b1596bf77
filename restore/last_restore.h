// What the last finished restore of a stack was, and where its old state is: "<state dir>/<stack>.last-restore", two lines, the
// restore's id and its safety snapshot's (empty: it has none). So that `ingot undo` never takes back an earlier one by mistake.
//
// Thread safety: under the restore lock for noting; reading takes no lock. Errors: Error{failed}; a file that is not what it
// should be counts as none.
#pragma once

#include <optional>
#include <string>

#include "base/filesystem.h"

namespace ingot {

struct LastRestore {
    std::string restore_id;
    std::string safety;  // the safety snapshot's id; empty: none was made
};

// Durable when it returns.
void note_last_restore(FileSystem& fs, const std::string& state_dir, const std::string& stack, const LastRestore& last);
std::optional<LastRestore> last_restore(FileSystem& fs, const std::string& state_dir, const std::string& stack);

}  // namespace ingot
