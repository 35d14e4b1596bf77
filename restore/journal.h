// The journal: the durable state of a restore under way, one per stack, in the state directory.
//
//   picked -> checked -> staged -> stopped -> swapped -> proven -> (removed)
//
// Before `proven`, recovery goes back; from it on, forward. Each state is written as a new file that durably replaces the one
// before, so a journal is read whole or not at all. Steps between two states are idempotent and are simply run again.
//
// Layout, in the one codec (base/bytes.h): magic "INGOTJR3", restore id, stack (u32-prefixed), 32 bytes snapshot, u8 state,
// i64 started_ms, kept dir, reason, u8 services (1 undrain owed, 2 start owed, 4 start begun, 8 checkout begun, 16 going back),
// version before, version after, u32 expectations, each: probe, value; u32 steps, each: name, i64 at_ms, i64 ms, u8 failed,
// detail; u32 targets, each: source, driver, u8 flags (1 engine, 2 swap begun, 4 swapped, 8 after_swap owed), u32 stage folders,
// each u32-prefixed, staged dir, work dir, u32 roots, each: listing path, live path; then the SHA-256 of all before it. Paths are
// bytes, which JSON cannot hold.
//
// Thread safety: one thread, under the stack's restore lock (a kernel lock on `<stack>.lock` beside the journal).
// Errors: Error{damaged} for a journal that cannot be read, naming it; Error{locked} when another restore of the stack runs.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/filesystem.h"
#include "drivers/driver.h"
#include "restore/timeline.h"
#include "store/lock.h"
#include "store/types.h"

namespace ingot {

enum class RestoreState : uint8_t { picked, checked, staged, stopped, swapped, proven };
const char* to_string(RestoreState state);

struct JournalTarget {
    std::string source;
    std::string driver;
    bool engine = false;                  // put back through its EngineTarget, else as a tree
    std::vector<std::string> stage_dirs;  // every stage folder this target makes, recorded before it is made
    std::string staged_dir;               // of engines: where the artifact is staged, in a stage folder
    std::string work_dir;                 // of engines: in a stage folder; of trees: in the state directory, holds the plan
    bool swap_begun = false;              // logged before the first change to the live target
    bool swapped = false;
    std::vector<SourceRoot> roots = {};  // where the source was live, for what is kept of it
    bool after_swap_owed = false;        // logged before its before_swap hook
};

// What was begun with the services, each logged before its command is.  (I8)
struct JournalServices {
    bool undrain_owed = false;
    bool start_owed = false;
    bool start_begun = false;     // upon the new state: they are stopped again before anything is swapped back
    bool checkout_begun = false;  // of version_after: version_before comes back with the old state
    std::string version_before = {};
    std::string version_after = {};

    bool owed() const { return undrain_owed || start_owed; }
};

struct Journal {
    std::string restore_id;  // 16 hexadecimal digits
    std::string stack;
    RecordId snapshot;
    RestoreState state = RestoreState::picked;
    int64_t started_ms = 0;
    std::string kept_dir = {};  // what the swap replaced is moved there once proven (keep_replaced.h); empty: it is deleted
    std::string reason = {};    // of a rollback
    JournalServices services = {};
    // Some target may have been swapped back: from here on no probe is asked, for what it would find is no state of all of them.
    bool going_back = false;
    std::map<std::string, std::string> expected = {};  // probe -> the value that the snapshot says it must find
    std::vector<RestoreStep> steps = {};
    std::vector<JournalTarget> targets = {};
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
    void remove();                      // durable too; nothing to do where there is none

    // May the probes decide which way a recovery goes? Said by `<stack>.probing`, a file beside the journal, before it says
    // `swapped`; taking it away needs no room on a full disk. Durable when they return.
    void let_probes_decide();
    void no_more_probes();
    bool probes_may_decide() const;

private:
    FileSystem& fs_;
    std::string path_;
    std::string probing_path_;
    std::unique_ptr<Lock> lock_;
};

// The journal in that file, which is there.
Journal read_journal(FileSystem& fs, const std::string& path);

Bytes encode_journal(const Journal& journal);
// `path` names it in errors.
Journal decode_journal(ByteView bytes, const std::string& path);

// Does a process hold the stack's restore lock at this moment?
bool restore_is_running(const std::string& state_dir, const std::string& stack);

// Is a restore of this stack unfinished? Takes no lock. For the line that every other command prints first.
std::optional<Journal> unfinished_restore(FileSystem& fs, const std::string& state_dir, const std::string& stack);

}  // namespace ingot
