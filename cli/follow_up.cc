#include "cli/follow_up.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/clock.h"
#include "cli/exit_code.h"
#include "cli/metrics.h"
#include "cli/notify.h"
#include "cli/pending.h"
#include "cli/pick.h"
#include "snapshot/attest.h"

namespace ingot {
namespace {

// What changes the live stack, or says how good what is stored is. Nothing follows commands that only look.
const std::set<std::string> kFollowed = {"snapshot", "promote", "verify", "restore", "rollback", "undo", "drill", "guard"};

std::string outcome_of(Code code) {
    return code == Code::rolled_back ? "rolled_back" : code == Code::rollback_incomplete ? "rollback_incomplete" : "failed";
}

Error as_error(const std::exception& error) {
    if (const auto* known = dynamic_cast<const Error*>(&error)) return *known;
    if (dynamic_cast<const std::bad_alloc*>(&error) != nullptr)
        return {Code::failed, "there is not enough memory", "stop other programs, or raise the limit of this one"};
    return {Code::failed, fmt::format("an unexpected failure: {}", printable(error.what())), "please report it"};
}

// Does the command put the live stack back? Then what it holds now is asked before the repository is opened.
bool restores_live(const Arguments& arguments) {
    const RestoreArguments& restore = arguments.restore;
    return arguments.command == "rollback" || arguments.command == "undo" ||
           (arguments.command == "restore" && restore.to.empty() && !restore.dry_run && !restore.resume && !restore.undo);
}

class FollowUp {
public:
    explicit FollowUp(Invocation& run) : run_(run), event_(run.event) {
        event_.command = run.arguments.command;
        event_.host = host_name();
        event_.began_ms = wall_now_ms();
    }

    int run(CommandFunction command, const std::function<int(const Error&)>& on_error) {
        const int64_t began_ns = mono_now_ns();
        try {
            begin();
            event_.exit = command(run_);
            run_.out.finish();  // it is told before anything that may take a while
        } catch (const std::exception& caught) {
            const Error error = as_error(caught);
            event_.exit = on_error(error);
            event_.error = without_passwords(error.what());
            event_.hint = without_passwords(error.hint());
            event_.outcome = outcome_of(error.code());
        }
        event_.duration_ms = (mono_now_ns() - began_ns) / 1'000'000;
        const Config* config = run_.config_if_read();
        event_.stack = config != nullptr ? config->stack_name : run_.arguments.stack;
        run_.live_facts.reset();
        run_.may_ask = false;
        complete_audits();
        // Others first: they are told within seconds, and a lock may take longer.
        attempt("telling others", [&] {
            if (notifier_) notifier_->ended(event_);
        });
        notifier_.reset();
        attempt("filing what was done", [&] { keep_audits(); });
        attempt("filing what was done", [&] { use_repository(); });
        attempt("writing the metrics", [&] { write_metrics(); });
        return event_.exit;
    }

private:
    template <class Body>
    void attempt(const char* what, Body&& body) {
        try {
            body();
        } catch (const std::exception& error) {
            run_.out.warn(fmt::format("{}: {}", what, printable(error.what())));
        }
    }

    void begin() {
        if (event_.command == "snapshot") {
            run_.settings(ConfigUse::required);
            make_notifier();
            if (notifier_) notifier_->began();
        } else if (restores_live(run_.arguments)) {
            run_.live_facts = std::make_unique<LiveFacts>(run_.stack());
        }
    }

    void make_notifier() {
        const Config* config = run_.config_if_read();
        if (notifier_ || config == nullptr || !config->notify.any()) return;
        notifier_ = std::make_unique<Notifier>(run_.fs, config->notify, config->root,
                                               [this](const std::string& line) { run_.out.warn(printable(line)); });
    }

    void complete_audits() {
        make_notifier();
        // A restore that was refused, or failed before it touched a service or a target, leaves the repository as it found it.
        const bool touched =
            event_.exit == kExitRolledBack || event_.exit == kExitRollbackIncomplete || event_.exit == kExitInterrupted;
        std::erase_if(event_.audits, [&](const AuditRecord& record) { return record.outcome.empty() && !touched; });
        for (AuditRecord& record : event_.audits) {
            if (!record.outcome.empty()) continue;
            record.finished_ms = wall_now_ms();
            record.outcome = event_.outcome;
            record.exit = event_.exit;
            record.error = event_.error;
            record.hint = event_.hint;
        }
    }

    // Before anybody waits for the repository: what dies from here on leaves them to the next command.
    void keep_audits() {
        if (event_.audits.empty()) return;
        const std::string key = repository_key(run_);
        for (const AuditRecord& record : event_.audits) {
            if (record.restore_id.empty()) {
                keep_audit(run_.fs, run_.state_dir(), key, record);
            } else {
                keep_restore_audit(run_, key, record);
            }
        }
    }

    bool wants_metrics() const {
        const Config* config = run_.config_if_read();
        return config != nullptr && !config->metrics_textfile.empty();
    }

    void use_repository() {
        if (event_.audits.empty() && !wants_metrics()) return;
        try {
            // Opening under append files what waits.
            const auto repository = run_.open_to_file(event_.audits.empty() ? LockMode::shared : LockMode::append);
            if (wants_metrics()) snapshots_ = all_snapshots(run_, *repository);
        } catch (const Error& error) {
            if (event_.audits.empty()) {
                ignore_error(error, "the command said what is wrong with the repository; the metrics keep what they knew of it");
                return;
            }
            run_.out.note(fmt::format("what was done is recorded by the next command that writes ({})", error.what()));
        }
    }

    void write_metrics() {
        if (!wants_metrics()) return;
        update_metrics(run_.fs, run_.state_dir(), run_.config_if_read()->metrics_textfile, event_,
                       snapshots_ ? &*snapshots_ : nullptr);
    }

    Invocation& run_;
    Event& event_;
    std::unique_ptr<Notifier> notifier_;
    std::optional<std::vector<Snapshot>> snapshots_;
};

}  // namespace

int run_and_follow_up(Invocation& run, CommandFunction command, const std::function<int(const Error&)>& on_error) {
    if (!kFollowed.contains(run.arguments.command)) return command(run);
    return FollowUp(run).run(command, on_error);
}

}  // namespace ingot
