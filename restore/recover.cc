#include "restore/recover.h"

#include <fmt/format.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/step.h"
#include "restore/target.h"

namespace ingot {

bool undo_all(FileSystem& fs, const Stack& stack, JournalFile& file, Journal& journal) {
    std::string problems;
    std::string hint;
    for (size_t i = journal.targets.size(); i-- > 0;) {
        const JournalTarget& target = journal.targets[i];
        if (!target.swap_begun) continue;
        try {
            undo_target(fs, stack, target);
            step("restore.target-undone");
        } catch (const Error& error) {
            problems += (problems.empty() ? "" : "; ") + std::string(error.what());
            if (hint.empty()) hint = error.hint();
        }
    }
    if (!problems.empty()) throw Error(Code::rollback_incomplete, problems, hint);
    for (JournalTarget& target : journal.targets) target.swap_begun = target.swapped = false;
    journal.state = RestoreState::picked;  // from here on there is nothing to undo: stages may go
    try {
        file.save(journal);
    } catch (const Error& error) {
        ignore_error(error, "the old state is live; the stages stay, and recovery finds nothing more to undo than to say so");
        return false;
    }
    step("restore.undone");
    return true;
}

std::vector<std::string> undo_and_clean(FileSystem& fs, const Stack& stack, JournalFile& file, Journal& journal) {
    if (undo_all(fs, stack, file, journal)) return clean_all(fs, file, journal);
    return {"the stage folders and the restore journal, which cannot be written"};
}

std::vector<std::string> clean_all(FileSystem& fs, JournalFile& file, const Journal& journal) {
    std::vector<std::string> left;
    for (const JournalTarget& target : journal.targets) {
        try {
            clean_target(fs, target);
        } catch (const Error& error) {
            left.push_back(fmt::format("{}: {}", target.source, error.what()));
        }
    }
    if (!left.empty()) return left;
    step("restore.stages-removed");
    try {
        file.remove();
    } catch (const Error& error) {
        left.push_back(error.what());
    }
    step("restore.cleaned");
    return left;
}

RestoreResult recover(Stack& stack, FileSystem& fs, Progress& progress) {
    const int64_t started_ns = mono_now_ns();
    RestoreResult result;
    result.outcome = "nothing";
    JournalFile file(fs, stack.state_dir, stack.name);
    std::optional<Journal> journal;
    try {
        journal = file.load();
    } catch (const Error& error) {
        throw Error(Code::rollback_incomplete, error.what(),
                    "look for folders named .ingot-* beside the stack's data: what is in them was moved there by the restore; "
                    "put it back by "
                    "hand, then remove the journal");
    }
    if (!journal) return result;

    result.restore_id = journal->restore_id;
    result.targets = journal->targets.size();
    const bool forward = journal->state == RestoreState::proven;
    progress.note(fmt::format("finishing restore {} of {}: it stopped at '{}', so it goes {}", journal->restore_id,
                              local_time(journal->started_ms), to_string(journal->state), forward ? "forward" : "back"));
    result.problems = forward ? clean_all(fs, file, *journal) : undo_and_clean(fs, stack, file, *journal);
    result.outcome = forward ? "restored" : "undone";
    result.duration_ms = (mono_now_ns() - started_ns) / 1'000'000;
    return result;
}

}  // namespace ingot
