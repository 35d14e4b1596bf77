// The table of docs/restore.md, one line for each step: see Restoration::run().
#include "restore/restore.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/clock.h"
#include "base/error.h"
#include "base/interrupt.h"
#include "base/step.h"
#include "restore/journal.h"
#include "restore/keep_replaced.h"
#include "restore/preflight.h"
#include "restore/probe.h"
#include "restore/recover.h"
#include "restore/restore_id.h"
#include "restore/services.h"
#include "restore/target.h"
#include "restore/to_folder.h"
#include "restore/top_k_probe.h"

namespace ingot {
namespace {

class Restoration {
public:
    Restoration(Repository& repository, const Snapshot& snapshot, Stack& stack, FileSystem& fs, const RestoreOptions& options,
                Progress& progress)
        : repository_(repository),
          snapshot_(snapshot),
          stack_(stack),
          fs_(fs),
          options_(options),
          progress_(progress),
          content_(repository, progress) {}

    RestoreResult run() {
        if (!options_.dry_run) take_lock();
        try {
            pick();                                      // -> picked:  nothing was touched
            timeline_.timed("check", [&] { check(); });  // -> checked: nothing was touched
            if (options_.dry_run) return finished("planned");
            timeline_.timed("stage", [&] { stage(); });  // -> staged:  the stage can be deleted
            stop();                                      // -> stopped: the same, and services start again
        } catch (const std::exception& error) {
            abandon(as_error(error));
        }
        try {
            timeline_.timed("swap", [&] { swap(); });          // -> swapped: swap back in reverse, services start again
            timeline_.timed("activate", [&] { activate(); });  // engines take notice; the same
            start();  // the application's version, services; the same, and they are stopped before
            probe();  // the same
            prove();  // -> proven:  the commit point; from here on forward
        } catch (const std::exception& error) {
            if (!anything_to_take_back()) abandon(as_error(error));
            roll_back(as_error(error));
        }
        undrain();
        clean();
        return finished("restored");
    }

private:
    void take_lock() {
        file_ = std::make_unique<JournalFile>(fs_, stack_.state_dir, stack_.name);
        services_ = std::make_unique<Services>(stack_, *file_, journal_, timeline_, progress_);
        if (!file_->load()) return;
        throw Error(Code::failed, fmt::format("an earlier restore of {} is unfinished", stack_.name),
                    "finish it with `ingot restore --resume`, or take it back with `ingot restore --undo`");
    }

    void pick() {
        journal_.restore_id = result_.restore_id = new_restore_id();
        journal_.stack = stack_.name;
        journal_.snapshot = snapshot_.id;
        journal_.started_ms = wall_now_ms();
        journal_.reason = result_.reason = options_.reason;
        if (!options_.keep_replaced.empty()) journal_.kept_dir = kept_folder_name(options_.keep_replaced, journal_);
        for (const ManifestSource* source : wanted_sources(snapshot_, options_.only, true)) make(*source);
        // Engines may wait for locks, and fail; trees are quick to take back. So engines go first.
        std::ranges::stable_sort(targets_, std::greater(), [](const auto& target) { return target->journal().engine; });
        result_.targets = targets_.size();
        std::vector<std::string> restored;
        for (const auto& target : targets_) restored.push_back(target->journal().source);
        journal_.expected = expectations(stack_, snapshot_.manifest, restored);
        for (const std::string& line : expect_top_k(stack_, snapshot_, restored, journal_.expected)) progress_.note(line);
        reached(RestoreState::picked, "restore.picked");
    }

    void make(const ManifestSource& source) {
        TargetInput input;
        input.repository = &repository_;
        input.content = &content_;
        input.source = &source;
        input.stack = &stack_;
        input.driver = &require_driver(stack_, source);
        input.fs = &fs_;
        input.progress = &progress_;
        input.spool_dir = repository_.spool_dir();
        input.stage_name = fmt::format(".ingot-{}-{}", journal_.restore_id, targets_.size());
        input.work_dir = join(stack_.state_dir, fmt::format("restore-{}-{}", journal_.restore_id, targets_.size()));
        input.list_changes = options_.dry_run;
        input.golden = snapshot_.golden();
        targets_.push_back(make_target(input));
    }

    void check() {
        std::vector<SpaceNeed> needs;
        for (const auto& target : targets_) {
            check_interrupted();
            target->check();
            add_counts(target->counts());
            for (const SpaceNeed& need : target->needs()) needs.push_back(need);
            need_room_to_keep(*target, needs);
        }
        require_space(needs);
        std::erase_if(targets_, [](const auto& target) { return target->unchanged(); });
        for (const auto& target : targets_) journal_.targets.push_back(target->journal());
        if (services_) services_->note_versions(snapshot_.manifest.application_version);
        reached(RestoreState::checked, "restore.checked");
    }

    // What is kept on the same file system is moved there, and takes no more room than it did.
    void need_room_to_keep(const Target& target, std::vector<SpaceNeed>& needs) const {
        if (options_.keep_replaced.empty() || target.unchanged() || needs.empty()) return;
        if (on_file_system_of(needs.back().folder, options_.keep_replaced)) return;
        std::string folder = options_.keep_replaced;
        while (folder != "/" && !fs_.exists(folder)) folder = parent_of(folder);
        needs.push_back({folder, target.replaced_bytes()});
    }

    void stage() {
        if (!journal_.kept_dir.empty() && !targets_.empty()) make_kept_folder(fs_, journal_.kept_dir);
        for (const auto& target : targets_) {
            check_interrupted();
            target->stage(result_);
        }
        reached(RestoreState::staged, "restore.staged");
    }

    // `stop` is to stop the writers: every engine must still answer.
    void stop() {
        check_interrupted();
        services_->drain();
        services_->stop();
        if (services_->owed()) ping();
        check_interrupted();
        reached(RestoreState::stopped, "restore.stopped");
        // As late as nothing was changed yet: what is found here costs nobody anything.
        for (const auto& target : targets_) target->look_again();
    }

    void ping() {
        for (const auto& target : targets_) {
            try {
                target->ping();
            } catch (const Error& error) {
                throw Error(Code::failed,
                            fmt::format("{} does not answer now that the services are stopped: {}", target->journal().source,
                                        error.what()),
                            "let `stop` of [services] stop what writes, and not the engines that the stack's data is in");
            }
        }
    }

    void swap() {
        for (size_t i = 0; i < targets_.size(); ++i) {
            targets_[i]->prepare_swap();
            services_->before_swap(journal_.targets[i]);
            journal_.targets[i].swap_begun = true;
            file_->save(journal_);
            step("restore.swap-begun");
            if (first_swap_ns_ == 0) first_swap_ns_ = mono_now_ns();
            targets_[i]->swap(result_);
            journal_.targets[i].swapped = true;
            step("restore.target-swapped");
            services_->after_swap(journal_.targets[i]);
        }
        if (!stack_.probes.empty()) file_->let_probes_decide();
        reached(RestoreState::swapped, "restore.swapped");
    }

    void activate() {
        for (const auto& target : targets_) {
            const std::string& source = target->journal().source;
            told_.insert(source);  // also one that fails: it may have taken notice of a part
            try {
                find_driver_of(stack_, source)->activate();
            } catch (const std::exception& error) {
                throw as_error(error).within(fmt::format("{}: its engine does not take the restored files", source));
            }
            step("restore.activated");
        }
        result_.outage_ms = first_swap_ns_ == 0 ? 0 : (mono_now_ns() - first_swap_ns_) / 1'000'000;
    }

    void start() {
        services_->checkout();
        services_->start();
        result_.outage_ms = services_->outage_ms().value_or(result_.outage_ms);
    }

    void probe() { Prober(stack_, journal_.expected, timeline_, progress_).run(); }

    void prove() {
        try {
            reached(RestoreState::proven, "restore.proven");
        } catch (const Error& error) {
            // The journal on the disk may say either. It must say `swapped` again before anything is swapped back.
            journal_.state = RestoreState::swapped;
            try {
                file_->save(journal_);
            } catch (const Error&) {
                throw Error(
                    Code::rollback_incomplete,
                    fmt::format("the snapshot is live and complete, but the restore journal cannot be written: {}", error.what()),
                    "mend the file system of the state directory, then run `ingot restore --resume`");
            }
            throw;
        }
    }

    // The journal stays where it fails: `--resume` runs it again, and cleans.
    void undrain() {
        try {
            services_->undrain();
        } catch (const Error& error) {
            throw undrain_failed(error, stack_);
        }
    }

    void clean() {
        const Ending ending =
            finish_proven(fs_, stack_, journal_, options_.keep_old, true, forgetting(nullptr), [&] { file_->remove(); });
        result_.safety = ending.safety;
        for (const std::string& line : ending.left) {
            result_.problems.push_back("left behind: " + line + "; `ingot restore --resume` tries again");
        }
        if (!journal_.kept_dir.empty() && fs_.exists(journal_.kept_dir)) result_.kept_in = journal_.kept_dir;
    }

    static Error as_error(const std::exception& error) {
        if (const auto* known = dynamic_cast<const Error*>(&error)) return *known;
        return {Code::failed, error.what()};  // no memory, no threads: undone like any other
    }

    bool anything_to_take_back() const {
        return std::ranges::any_of(journal_.targets, &JournalTarget::swap_begun) || journal_.services.start_begun ||
               journal_.services.checkout_begun;
    }

    // Before the first swap: the stages go, the live state was not touched.
    [[noreturn]] void abandon(const Error& error) {
        targets_.clear();
        std::string left;
        const bool touched = services_ && services_->owed();
        if (touched) start_again(error);
        if (file_ && saved_) {
            const Error told(Code::rolled_back,
                             fmt::format("{}; nothing was swapped, and the services were started again", error.what()));
            const auto forget = [&] {
                if (touched) forgetting (&told)({});
                file_->remove();
            };
            for (const std::string& line : clean_all(fs_, stack_, journal_, forget)) left += "; left behind: " + line;
        }
        // Services that were out for a while are no "nothing was changed", to a script that looks at the exit status.
        throw Error(
            touched && error.code() != Code::interrupted ? Code::rolled_back : error.code(),
            fmt::format("{}; {}{}", error.what(),
                        touched ? "nothing was swapped, and the services were started again" : "nothing was changed", left),
            left.empty() ? error.hint() : "`ingot restore --undo` removes what was left behind");
    }

    void start_again(const Error& error) {
        std::vector<std::string> problems;
        for (JournalTarget& target : journal_.targets)
            services_->swapping_back(
                target, [] {}, problems);
        try {
            services_->bring_back(problems);
        } catch (const Error& start_error) {
            throw Error(start_error.code(), fmt::format("{}; nothing was swapped; {}", error.what(), start_error.what()),
                        start_error.hint());
        }
        for (const std::string& problem : problems) progress_.note(problem);
    }

    [[noreturn]] void roll_back(const Error& error) {
        if (error.code() == Code::rollback_incomplete) {  // of prove(): the new state stays live
            undrain();
            throw error;
        }
        targets_.clear();
        std::string left, told;
        try {
            const Error forgotten(Code::rolled_back,
                                  fmt::format("{}; the restore was taken back, the old state is live", error.what()));
            const Ending ending = undo_and_clean(fs_, stack_, *file_, journal_, *services_, false, told_, forgetting(&forgotten));
            for (const std::string& line : ending.problems) told += "; " + line;
            for (const std::string& line : ending.left) left += "; left behind: " + line;
        } catch (const Error& undo_error) {
            throw Error(Code::rollback_incomplete,
                        fmt::format("{}; then taking the restore back failed: {}", error.what(), undo_error.what()),
                        undo_error.hint());
        }
        throw Error(Code::rolled_back,
                    fmt::format("{}; the restore was taken back, the old state is live{}{}", error.what(), told, left),
                    left.empty() ? error.hint() : "`ingot restore --undo` removes what was left behind");
    }

    // `error`: null where it went through; else it lives longer than what is returned.
    Forgetting forgetting(const Error* error) {
        return [this, error](const Ending& ending) {
            if (!options_.before_forgetting) return;
            RestoreResult told = result_;
            told.outcome = error == nullptr ? "restored" : "";
            told.steps = journal_.steps;
            told.safety = ending.safety;
            told.problems.insert(told.problems.end(), ending.problems.begin(), ending.problems.end());
            if (!journal_.kept_dir.empty() && fs_.exists(journal_.kept_dir)) told.kept_in = journal_.kept_dir;
            options_.before_forgetting(told, error);
        };
    }

    // Durable before the next step may run.
    void reached(RestoreState state, const char* name) {
        if (options_.dry_run) return;
        journal_.state = state;
        saved_ = true;
        file_->save(journal_);
        step(name);
    }

    void add_counts(const RestoreResult& counts) {
        result_.unchanged += counts.unchanged;
        result_.replaced += counts.replaced;
        result_.added += counts.added;
        result_.removed += counts.removed;
        result_.metadata += counts.metadata;
        result_.changes.insert(result_.changes.end(), counts.changes.begin(), counts.changes.end());
    }

    RestoreResult finished(const char* outcome) {
        result_.outcome = outcome;
        result_.steps = journal_.steps;
        result_.duration_ms = (mono_now_ns() - started_ns_) / 1'000'000;
        return std::move(result_);
    }

    Repository& repository_;
    const Snapshot& snapshot_;
    Stack& stack_;
    FileSystem& fs_;
    const RestoreOptions& options_;
    Progress& progress_;
    RepositoryContent content_;
    std::unique_ptr<JournalFile> file_;
    Journal journal_;
    Timeline timeline_{journal_.steps, options_.on_step};
    std::unique_ptr<Services> services_;
    bool saved_ = false;  // there may be a journal on the disk
    std::vector<std::unique_ptr<Target>> targets_;
    std::set<std::string> told_;  // sources whose engines took notice of the new files
    int64_t first_swap_ns_ = 0;
    RestoreResult result_;
    const int64_t started_ns_ = mono_now_ns();
};

}  // namespace

RestoreResult restore(Repository& repository, const Snapshot& snapshot, Stack& stack, FileSystem& fs,
                      const RestoreOptions& options, Progress& progress) {
    if (!options.to.empty()) {
        require_apart(options.to, stack, "--to");
        return write_to_folder(repository, snapshot, fs, options, progress);
    }
    if (!options.keep_replaced.empty()) require_apart(options.keep_replaced, stack, "--keep-replaced");
    return Restoration(repository, snapshot, stack, fs, options, progress).run();
}

RestoreResult restore_to_folder(Repository& repository, const Snapshot& snapshot, FileSystem& fs, const RestoreOptions& options,
                                Progress& progress) {
    return write_to_folder(repository, snapshot, fs, options, progress);
}

}  // namespace ingot
