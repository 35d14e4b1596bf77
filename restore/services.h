// The services around a restore: hooks of [services] and of sources, each logged in the journal before it is run, so that what a
// crash left undone is known.  (I8: if stop was begun, start is run: on every exit, and after a crash.)
//
//   forward   drain, stop; for each target before_swap, swap, after_swap; checkout, start; probes; undrain
//   back      stop where they were started, swap back (with the source's hooks), checkout of the old version, start, undrain
//
// Every hook may be run twice: a crash leaves no word of how far it got.
//
// Thread safety: one thread, under the restore lock. Errors: forward those of the hook (restore/hook.h) and of the journal; back
// see each.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/progress.h"
#include "restore/hook.h"
#include "restore/journal.h"
#include "restore/timeline.h"
#include "snapshot/stack.h"

namespace ingot {

class Services {
public:
    // All of it outlives this. `journal` is saved in `file` before each hook.
    // Without `hooks`, as at boot before the machine starts the services itself: only `checkout` is run; the rest stays owed.
    Services(const Stack& stack, JournalFile& file, Journal& journal, Timeline& timeline, Progress& progress, bool hooks = true);

    // Notes the application's version of now and of the snapshot. Error{failed} where `checkout` is configured and the version of
    // now cannot be told: it could not be brought back.
    void note_versions(const std::string& snapshot_version);
    // Will anything be done that has to be taken back?
    bool checkout_differs() const;

    void drain();
    void stop();
    void before_swap(JournalTarget& target);
    void after_swap(JournalTarget& target);
    void checkout();
    void start();
    void undrain();

    // Was a hook begun in this restore, and not made good yet?
    bool owed() const;
    // From the start of `stop` to the end of `start`, where both are configured and were run.
    std::optional<int64_t> outage_ms() const;

    // Before anything is swapped back: services that may run upon the new state are stopped; after a crash (`unsure`) also where
    // they had not been started yet, because the machine may have done it. A failure is named in `problems`, and ends nothing:
    // the old state is worth more.
    void stop_again(bool unsure, std::vector<std::string>& problems);
    // Around a target that is swapped back; a failure of `before_swap` is named in `problems`, one of `after_swap` is left owed.
    void swapping_back(JournalTarget& target, const std::function<void()>& undo, std::vector<std::string>& problems);
    // What after_swap hooks are owed, the old version, start, undrain. Throws Error{rollback_incomplete} that names what is to be
    // run by hand; what is owed stays in the journal.
    void bring_back(std::vector<std::string>& problems);

    // After a crash of another process: a hook of it that still runs is waited for.
    void wait_for_orphans(std::vector<std::string>& problems);

private:
    const ServicesSpec& spec() const { return stack_.services; }
    void run(const std::string& name, const std::string& command, int64_t timeout_ms, const std::string& source = {});
    void save_quietly();
    const SourceHooks* hooks_of(const JournalTarget& target) const;

    const Stack& stack_;
    JournalFile& file_;
    Journal& journal_;
    Timeline& timeline_;
    Progress& progress_;
    HookRunner runner_;
    const bool hooks_;
    bool back_ = false;  // hooks see the old version
    int64_t stop_began_ns_ = 0;
    int64_t start_ended_ns_ = 0;
};

}  // namespace ingot
