#include "restore/services.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/clock.h"
#include "base/error.h"
#include "base/step.h"
#include "snapshot/application_version.h"

namespace ingot {

Services::Services(const Stack& stack, JournalFile& file, Journal& journal, Timeline& timeline, Progress& progress, bool hooks)
    : stack_(stack),
      file_(file),
      journal_(journal),
      timeline_(timeline),
      progress_(progress),
      runner_(join(stack.state_dir, stack.name + ".hooks")),
      hooks_(hooks) {}

bool Services::owed() const {
    return journal_.services.owed() || std::ranges::any_of(journal_.targets, &JournalTarget::after_swap_owed);
}

void Services::note_versions(const std::string& snapshot_version) {
    if (!spec().any()) return;
    journal_.services.version_after = snapshot_version;
    try {
        journal_.services.version_before = application_version(stack_);
    } catch (const Error& error) {
        if (!spec().checkout.empty() && !snapshot_version.empty()) {
            throw error.within("`checkout` could not be taken back: the version of now cannot be told");
        }
        ignore_error(error, "no hook needs it: INGOT_VERSION is empty when the restore is taken back");
    }
    if (!spec().checkout.empty() && snapshot_version.empty()) {
        progress_.note("the snapshot records no version of the application: `checkout` is left out");
    }
}

bool Services::checkout_differs() const {
    const JournalServices& services = journal_.services;
    return !spec().checkout.empty() && !services.version_after.empty() && services.version_after != services.version_before;
}

void Services::run(const std::string& name, const std::string& command, int64_t timeout_ms, const std::string& source) {
    Hook hook;
    hook.name = source.empty() ? name : name + " of " + source;
    hook.command = command;
    hook.folder = stack_.root;
    hook.timeout_ms = timeout_ms;
    // Only while nothing was changed: from the first swap on an interrupt is no reason to leave a hook half done.
    hook.may_be_interrupted = name == "drain" || (name == "stop" && !back_);
    const JournalServices& services = journal_.services;
    hook.environment = {{"INGOT_RESTORE", journal_.restore_id},
                        {"INGOT_SNAPSHOT", journal_.snapshot.hex()},
                        {"INGOT_STACK", journal_.stack},
                        {"INGOT_VERSION", back_ ? services.version_before : services.version_after}};
    if (!source.empty()) hook.environment.emplace_back("INGOT_SOURCE", source);
    progress_.note(fmt::format("running {}", hook.name));  // the command line may hold what no log should
    timeline_.timed(source.empty() ? name : name + " " + source, [&] { return runner_.run(hook); });
    step("restore.hook-ended");
}

// On the way back services come before the journal: a disk that is full must not keep them down.
void Services::save_quietly() {
    try {
        file_.save(journal_);
    } catch (const Error& error) {
        ignore_error(error, "a crash from here on does again what is done now, which does no harm");
    }
}

void Services::drain() {
    if (spec().drain.empty()) return;
    journal_.services.undrain_owed = true;
    file_.save(journal_);
    step("restore.drain-begun");
    run("drain", spec().drain, spec().timeout_ms);
}

void Services::stop() {
    if (spec().stop.empty()) return;
    stop_began_ns_ = mono_now_ns();
    journal_.services.start_owed = true;
    file_.save(journal_);
    step("restore.stop-begun");
    run("stop", spec().stop, spec().timeout_ms);
}

const SourceHooks* Services::hooks_of(const JournalTarget& target) const {
    const auto found = stack_.source_hooks.find(target.source);
    return found == stack_.source_hooks.end() ? nullptr : &found->second;
}

void Services::before_swap(JournalTarget& target) {
    const SourceHooks* hooks = hooks_of(target);
    if (hooks == nullptr) return;
    target.after_swap_owed = true;
    file_.save(journal_);
    step("restore.before-swap-begun");
    if (!hooks->before_swap.empty()) run("before_swap", hooks->before_swap, hooks->timeout_ms, target.source);
}

void Services::after_swap(JournalTarget& target) {
    if (!target.after_swap_owed) return;
    const SourceHooks* hooks = hooks_of(target);
    if (hooks != nullptr && !hooks->after_swap.empty()) run("after_swap", hooks->after_swap, hooks->timeout_ms, target.source);
    target.after_swap_owed = false;
}

void Services::checkout() {
    if (!checkout_differs()) return;
    journal_.services.checkout_begun = true;
    file_.save(journal_);
    step("restore.checkout-begun");
    run("checkout", spec().checkout, spec().timeout_ms);
}

void Services::start() {
    if (spec().start.empty()) return;
    journal_.services.start_begun = true;
    file_.save(journal_);
    step("restore.start-begun");
    run("start", spec().start, spec().timeout_ms);
    start_ended_ns_ = mono_now_ns();
    journal_.services.start_owed = false;
}

void Services::undrain() {
    if (!journal_.services.undrain_owed) return;
    if (!spec().undrain.empty()) run("undrain", spec().undrain, spec().timeout_ms);
    journal_.services.undrain_owed = false;
    save_quietly();
}

std::optional<int64_t> Services::outage_ms() const {
    if (stop_began_ns_ == 0 || start_ended_ns_ == 0) return std::nullopt;
    return (start_ended_ns_ - stop_began_ns_) / 1'000'000;
}

void Services::stop_again(bool unsure, std::vector<std::string>& problems) {
    back_ = true;
    if (!journal_.services.start_begun && !(unsure && journal_.services.start_owed)) return;
    journal_.services.start_owed = true;
    save_quietly();
    if (!hooks_ || spec().stop.empty()) return;
    try {
        run("stop", spec().stop, spec().timeout_ms);
    } catch (const Error& error) {
        problems.push_back(fmt::format("the old state was put back while services may have been running: {}", error.what()));
    }
}

void Services::swapping_back(JournalTarget& target, const std::function<void()>& undo, std::vector<std::string>& problems) {
    back_ = true;
    const SourceHooks* hooks = hooks_of(target);
    if (hooks != nullptr && target.swap_begun) target.after_swap_owed = true;
    if (hooks_ && hooks != nullptr && target.swap_begun && !hooks->before_swap.empty()) {
        try {
            run("before_swap", hooks->before_swap, hooks->timeout_ms, target.source);
        } catch (const Error& error) {
            problems.push_back(error.what());
        }
    }
    const auto afterwards = [&] {
        try {
            if (hooks_) after_swap(target);
        } catch (const Error& error) {
            ignore_error(error, "bring_back() runs it once more, and names it then");
        }
    };
    try {
        if (target.swap_begun) undo();
    } catch (const Error&) {
        afterwards();
        throw;
    }
    afterwards();
}

void Services::bring_back(std::vector<std::string>& problems) {
    back_ = true;
    JournalServices& services = journal_.services;
    std::string failed, by_hand;
    const auto attempt = [&](const std::string& command, const std::function<void()>& hook) {
        try {
            hook();
            save_quietly();
            return true;
        } catch (const Error& error) {
            failed += (failed.empty() ? "" : "; ") + std::string(error.what());
            if (by_hand.empty()) by_hand = command;
            return false;
        }
    };
    const auto owed = [&](const char* name, const std::string& command, bool& flag) {
        if (!flag) return true;
        if (command.empty())
            problems.push_back(fmt::format("`{}` is owed, and is no longer in the config: it was not run", name));
        return attempt(command, [&] {
            if (!command.empty()) run(name, command, spec().timeout_ms);
            flag = false;
        });
    };
    // Services are started also where these two fail: they are not kept down for them.  (I8)
    for (JournalTarget& target : journal_.targets) {
        const SourceHooks* hooks = hooks_of(target);
        if (hooks_ && target.after_swap_owed)
            (void)attempt(hooks == nullptr ? "" : hooks->after_swap, [&] { after_swap(target); });
    }
    (void)owed("checkout", spec().checkout, services.checkout_begun);
    // Nothing is sent to services that are down.
    if (hooks_ && owed("start", spec().start, services.start_owed)) (void)owed("undrain", spec().undrain, services.undrain_owed);
    if (failed.empty()) {
        services.start_begun = false;
        return;
    }
    throw Error(Code::rollback_incomplete, fmt::format("THE SERVICES ARE NOT AS THEY WERE: {}", failed),
                fmt::format("see why, run it by hand: {}; then `ingot restore --undo`, which runs it again", printable(by_hand)));
}

void Services::wait_for_orphans(std::vector<std::string>& problems) {
    if (!spec().any() && stack_.source_hooks.empty()) return;
    if (runner_.wait_for_orphans(0)) return;
    progress_.note("a hook of the restore that was cut short still runs: waiting until it has ended");
    if (runner_.wait_for_orphans(spec().timeout_ms)) return;
    problems.push_back(
        "a hook of the restore that was cut short still runs, or left something running: see that it does not stop "
        "the services again");
}

}  // namespace ingot
