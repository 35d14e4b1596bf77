#include "restore/recover.h"

#include <fmt/format.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/step.h"
#include "restore/keep_replaced.h"
#include "restore/target.h"

namespace ingot {

namespace {

std::string activate_again(const Stack& stack, const std::string& source) {
    Driver* driver = find_driver_of(stack, source);
    if (driver == nullptr) return fmt::format("source {} is no longer in the config: its engine was not told", source);
    try {
        driver->activate();
    } catch (const std::exception& error) {
        return fmt::format("{}: the old files are back, and its engine did not take notice of them: {}", source, error.what());
    }
    step("restore.undo-activated");
    return {};
}

std::string joined(const std::vector<std::string>& names) {
    std::string text;
    for (const std::string& name : names) text += (text.empty() ? "" : ", ") + printable(name);
    return text;
}

}  // namespace

bool undo_all(FileSystem& fs, const Stack& stack, JournalFile& file, Journal& journal, const std::set<std::string>& told,
              std::vector<std::string>& notices) {
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
    // Before the journal forgets: a crash in between does both again.
    for (const JournalTarget& target : journal.targets) {
        if (!target.swap_begun || !told.contains(target.source)) continue;
        if (std::string problem = activate_again(stack, target.source); !problem.empty()) notices.push_back(std::move(problem));
    }
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

Ending undo_and_clean(FileSystem& fs, const Stack& stack, JournalFile& file, Journal& journal,
                      const std::set<std::string>& told) {
    Ending ending;
    const bool cleanable = undo_all(fs, stack, file, journal, told, ending.problems);
    ending.left = cleanable ? clean_all(fs, stack, file, journal)
                            : std::vector<std::string>{"the stage folders and the restore journal, which cannot be written"};
    return ending;
}

Ending finish_proven(FileSystem& fs, const Stack& stack, JournalFile& file, const Journal& journal) {
    Ending ending;
    for (const JournalTarget& target : journal.targets) {
        if (journal.kept_dir.empty()) break;
        try {
            keep_replaced(fs, stack, journal.kept_dir, target);
        } catch (const Error& error) {
            ending.left.push_back(fmt::format("what was replaced of {} lies in {}, because it could not be kept in {}: {}{}{}",
                                              target.source, joined(target.stage_dirs), printable(journal.kept_dir), error.what(),
                                              error.hint().empty() ? "" : "; ", error.hint()));
        }
    }
    if (ending.left.empty()) ending.left = clean_all(fs, stack, file, journal);
    return ending;
}

std::vector<std::string> clean_all(FileSystem& fs, const Stack& stack, JournalFile& file, const Journal& journal) {
    std::vector<std::string> left;
    for (const JournalTarget& target : journal.targets) {
        try {
            clean_target(fs, stack, target);
        } catch (const Error& error) {
            left.push_back(fmt::format("{}: {}", target.source, error.what()));
        }
    }
    if (!left.empty()) return left;
    step("restore.stages-removed");
    try {
        drop_empty_kept_folder(fs, journal.kept_dir);
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
        if (error.code() != Code::damaged) throw;  // it may be a whole one: it could not be read
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
    // After a crash nobody knows which engines took notice of the new files: each whose files were swapped is told again.
    std::set<std::string> told;
    for (const JournalTarget& target : journal->targets) told.insert(target.source);
    const Ending ending = forward ? finish_proven(fs, stack, file, *journal) : undo_and_clean(fs, stack, file, *journal, told);
    result.problems = ending.problems;
    result.problems.insert(result.problems.end(), ending.left.begin(), ending.left.end());
    if (forward && !journal->kept_dir.empty() && fs.exists(journal->kept_dir)) result.kept_in = journal->kept_dir;
    result.outcome = forward ? "restored" : "undone";
    result.duration_ms = (mono_now_ns() - started_ns) / 1'000'000;
    return result;
}

}  // namespace ingot
