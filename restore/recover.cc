#include "restore/recover.h"

#include <fmt/format.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/step.h"
#include "restore/keep_replaced.h"
#include "restore/last_restore.h"
#include "restore/left_aside.h"
#include "restore/probe.h"
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

namespace {

// Durable before anything is swapped back, in one of two ways: a full disk must not keep the old state away.
void go_back(JournalFile& file, Journal& journal) {
    journal.going_back = true;
    bool noted = false;
    try {
        file.no_more_probes();
        noted = true;
    } catch (const Error& error) {
        ignore_error(error, "the journal says it too");
    }
    try {
        file.save(journal);
        noted = true;
    } catch (const Error& error) {
        ignore_error(error, "that the probes are not asked any more is enough");
    }
    if (!noted && file.load().value_or(journal).state == RestoreState::swapped) {
        throw Error(Code::rollback_incomplete,
                    "the new state is live, and it cannot be noted that it is taken back: nothing was swapped back",
                    "mend the file system of the state directory, then run `ingot restore --undo`");
    }
    step("restore.going-back");
}

}  // namespace

bool undo_all(FileSystem& fs, const Stack& stack, JournalFile& file, Journal& journal, Services& services,
              const std::set<std::string>& told, std::vector<std::string>& notices) {
    std::string problems;
    std::string hint;
    go_back(file, journal);
    for (size_t i = journal.targets.size(); i-- > 0;) {
        JournalTarget& target = journal.targets[i];
        const auto undo = [&] {
            undo_target(fs, stack, target);
            step("restore.target-undone");
        };
        try {
            services.swapping_back(target, undo, notices);
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

namespace {

// The state is mixed, and a person is called: services run nevertheless, as they did before (I8), and are stopped again when the
// recovery is tried again.
[[noreturn]] void start_upon_mixed(JournalFile& file, Journal& journal, Services& services, const Error& failed) {
    std::string more;
    std::vector<std::string> problems;
    const bool were_stopped = journal.services.start_owed;
    try {
        services.bring_back(problems);
    } catch (const Error& error) {
        problems.emplace_back(error.what());
        problems.push_back(error.hint());
    }
    for (const std::string& problem : problems) more += "; " + problem;
    journal.services.start_begun = were_stopped;
    try {
        file.save(journal);
    } catch (const Error& error) {
        ignore_error(error, "the next recovery then swaps back without stopping the services first");
    }
    throw Error(failed.code(), failed.what() + more, failed.hint());
}

}  // namespace

Ending undo_and_clean(FileSystem& fs, const Stack& stack, JournalFile& file, Journal& journal, Services& services, bool unsure,
                      const std::set<std::string>& told, const Forgetting& forgetting) {
    Ending ending;
    services.stop_again(unsure, ending.problems);
    bool cleanable = false;
    try {
        cleanable = undo_all(fs, stack, file, journal, services, told, ending.problems);
    } catch (const Error& error) {
        start_upon_mixed(file, journal, services, error);
    }
    services.bring_back(ending.problems);
    if (services.owed()) {
        ending.left = {"the old state is live; the services were left to be started later"};
        return ending;
    }
    const auto forget = [&] {
        if (forgetting) forgetting(ending);
        file.remove();
    };
    ending.left = cleanable ? clean_all(fs, stack, journal, forget)
                            : std::vector<std::string>{"the stage folders and the restore journal, which cannot be written"};
    return ending;
}

namespace {

void store_old_state(const Journal& journal, const KeepOldState& keep_old, Ending& ending) {
    if (!keep_old || journal.targets.empty()) return;
    try {
        ending.safety = keep_old(journal);
        step("restore.safety-saved");
    } catch (const std::exception& error) {
        std::string places;
        for (const JournalTarget& target : journal.targets) {
            places += fmt::format("{}{} in {}", places.empty() ? "" : ", ", target.source, joined(target.stage_dirs));
        }
        const auto* known = dynamic_cast<const Error*>(&error);
        const std::string hint = known == nullptr || known->hint().empty() ? "" : "; " + known->hint();
        ending.left.push_back(fmt::format(
            "the old state ({}), because no safety snapshot of it could be taken: {}{}; --no-safety deletes it without", places,
            error.what(), hint));
    }
}

}  // namespace

Ending finish_proven(FileSystem& fs, const Stack& stack, const Journal& journal, const KeepOldState& keep_old, bool last,
                     const Forgetting& forgetting, const std::function<void()>& remove) {
    Ending ending;
    store_old_state(journal, keep_old, ending);
    if (!ending.left.empty()) return ending;
    if (last && !journal.targets.empty()) {
        try {
            note_last_restore(fs, stack.state_dir, stack.name, {journal.restore_id, ending.safety});
        } catch (const Error& error) {
            ending.left.push_back(fmt::format("the old state, because it could not be noted for `ingot undo`: {}", error.what()));
            return ending;
        }
    }
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
    const auto forget = [&] {
        if (forgetting) forgetting(ending);
        remove();
    };
    if (ending.left.empty()) ending.left = clean_all(fs, stack, journal, forget);
    return ending;
}

std::vector<std::string> clean_all(FileSystem& fs, const Stack& stack, const Journal& journal,
                                   const std::function<void()>& remove) {
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
        remove();
    } catch (const Error& error) {
        left.push_back(error.what());
    }
    step("restore.cleaned");
    return left;
}

namespace {

Journal* load_or_explain(const JournalFile& file, std::optional<Journal>& journal) {
    try {
        journal = file.load();
    } catch (const Error& error) {
        if (error.code() != Code::damaged) throw;  // it may be a whole one: it could not be read
        throw Error(Code::rollback_incomplete, error.what(),
                    "look for folders named .ingot-* beside the stack's data: what is in them was moved there by the restore; "
                    "put it back by "
                    "hand, then remove the journal");
    }
    return journal ? &*journal : nullptr;
}

class Recovery {
public:
    Recovery(Stack& stack, FileSystem& fs, Progress& progress, const RecoverOptions& options, JournalFile& file, Journal& journal)
        : stack_(stack),
          fs_(fs),
          progress_(progress),
          options_(options),
          file_(file),
          journal_(journal),
          timeline_(journal.steps, options.on_step),
          services_(stack, file, journal, timeline_, progress, options.services) {}

    RestoreResult run() {
        result_.restore_id = journal_.restore_id;
        result_.targets = journal_.targets.size();
        result_.reason = journal_.reason;
        const bool probing = journal_.state == RestoreState::swapped && !journal_.going_back && file_.probes_may_decide() &&
                             !options_.undo && options_.services && !stack_.probes.empty();
        const std::string how = journal_.state == RestoreState::picked && journal_.services.owed()
                                    ? "the old state is live, and its services are owed a start"
                                    : fmt::format("it stopped at '{}', so it goes {}", to_string(journal_.state),
                                                  probing                                  ? "where the probes say"
                                                  : journal_.state == RestoreState::proven ? "forward"
                                                                                           : "back");
        progress_.note(fmt::format("finishing restore {} of {}: {}", journal_.restore_id, local_time(journal_.started_ms), how));
        services_.wait_for_orphans(result_.problems);
        if (probing) go_on_by_probes();
        const bool forward = journal_.state == RestoreState::proven;
        const Ending ending = forward ? finish() : take_back();
        for (const auto& lines : {ending.problems, ending.left}) {
            result_.problems.insert(result_.problems.end(), lines.begin(), lines.end());
        }
        if (forward && !journal_.kept_dir.empty() && fs_.exists(journal_.kept_dir)) result_.kept_in = journal_.kept_dir;
        result_.safety = ending.safety;
        result_.outcome = forward ? "restored" : "undone";
        result_.steps = journal_.steps;
        return std::move(result_);
    }

private:
    // What a restore does between `swapped` and `proven`: each step again, because nobody knows how far it got.
    void go_on_by_probes() {
        try {
            for (JournalTarget& target : journal_.targets) {
                services_.after_swap(target);
                if (Driver* driver = find_driver_of(stack_, target.source)) driver->activate();
            }
            services_.checkout();
            services_.start();
            Prober(stack_, journal_.expected, timeline_, progress_).run();
            journal_.state = RestoreState::proven;
            file_.save(journal_);
            step("restore.proven");
        } catch (const Error& error) {
            journal_.state = RestoreState::swapped;
            result_.problems.push_back(fmt::format("the new state was not found good, and is taken back: {}", error.what()));
        }
    }

    Ending finish() {
        Ending ending;
        if (!options_.services && services_.owed()) {
            ending.left = {"the new state is live; `undrain` was left to be run later"};
            return ending;
        }
        try {
            services_.undrain();
        } catch (const Error& error) {
            throw undrain_failed(error, stack_);
        }
        // At boot nobody waits for gigabytes to be read: what comes after the services does it.
        if (!options_.services && options_.keep_old && !journal_.targets.empty()) {
            ending.left = {"the new state is live; the old one was left to be stored by `ingot restore --resume`"};
            return ending;
        }
        return finish_proven(fs_, stack_, journal_, options_.keep_old, true, forgetting("restored"), [&] { file_.remove(); });
    }

    Forgetting forgetting(const char* outcome) {
        return [this, outcome](const Ending& ending) {
            if (!options_.before_forgetting) return;
            RestoreResult told = result_;
            told.outcome = outcome;
            told.steps = journal_.steps;
            told.safety = ending.safety;
            told.problems.insert(told.problems.end(), ending.problems.begin(), ending.problems.end());
            options_.before_forgetting(told, nullptr);
        };
    }

    // After a crash nobody knows which engines took notice of the new files: each whose files were swapped is told again.
    Ending take_back() {
        std::set<std::string> told;
        for (const JournalTarget& target : journal_.targets) told.insert(target.source);
        return undo_and_clean(fs_, stack_, file_, journal_, services_, true, told, forgetting("undone"));
    }

    Stack& stack_;
    FileSystem& fs_;
    Progress& progress_;
    const RecoverOptions& options_;
    JournalFile& file_;
    Journal& journal_;
    Timeline timeline_;
    Services services_;
    RestoreResult result_;
};

}  // namespace

Error undrain_failed(const Error& error, const Stack& stack) {
    return {
        Code::rollback_incomplete,
        fmt::format("the snapshot is live and was found good, but nothing is sent to it yet: {}", error.what()),
        fmt::format("run it by hand: {}; then `ingot restore --resume`, which runs it again", printable(stack.services.undrain))};
}

RestoreResult recover(Stack& stack, FileSystem& fs, Progress& progress, const RecoverOptions& options) {
    const int64_t started_ns = mono_now_ns();
    RestoreResult result;
    result.outcome = "nothing";
    JournalFile file(fs, stack.state_dir, stack.name);
    std::optional<Journal> journal;
    if (load_or_explain(file, journal) != nullptr) result = Recovery(stack, fs, progress, options, file, *journal).run();
    if (options.left_aside) finish_left_aside(fs, stack, file, options.keep_old, result);
    result.duration_ms = (mono_now_ns() - started_ns) / 1'000'000;
    return result;
}

}  // namespace ingot
