// The journal: the durable state of a restore under way, one per stack, in the state directory.
//
//   picked -> checked -> staged -> stopped -> swapped -> proven -> (removed)
//
// Before `proven`, recovery goes back; from it on, forward. Each state is written as a new file that durably replaces the one
// before, so a journal is read whole or not at all. Steps between two states are idempotent and are simply run again.
//
// Thread safety: one thread, under the stack's restore lock (a kernel lock on `<stack>.lock` beside the journal).
// Errors: Error{damaged} for a journal that cannot be read, naming it; Error{locked} when another restore of the stack runs.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/filesystem.h"
#include "store/types.h"

namespace ingot {

enum class RestoreState : uint8_t { picked, checked, staged, stopped, swapped, proven };
const char* to_string(RestoreState state);

struct JournalTarget {
    std::string source;
    std::string driver;
    std::vector<std::string> stage_dirs;  // every folder this target made, to be removed at the end
    std::string work_dir;
    bool swap_begun = false;              // logged before the first change to the live target
    bool swapped = false;
};

struct Journal {
    std::string restore_id;
    std::string stack;
    RecordId snapshot;
    RestoreState state = RestoreState::picked;
    int64_t started_ms = 0;
    std::vector<JournalTarget> targets;
};

class JournalFile {
public:
    // Takes the stack's restore lock.
    JournalFile(FileSystem& fs, const std::string& state_dir, const std::string& stack);
    ~JournalFile();
    JournalFile(const JournalFile&) = delete;
    JournalFile& operator=(const JournalFile&) = delete;

    std::optional<Journal> load() const;
    void save(const Journal& journal);  // durable when it returns
    void remove();

private:
    FileSystem& fs_;
    std::string path_;
    int lock_fd_ = -1;
};

// Is a restore of this stack unfinished? Takes no lock. For the line that every other command prints first.
std::optional<Journal> unfinished_restore(FileSystem& fs, const std::string& state_dir, const std::string& stack);

}  // namespace ingot
