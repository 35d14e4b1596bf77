// One run of one command: its arguments, settings, credentials and outputs, and the repository opened with them.
//
// Thread safety: one thread. Lifetime: repositories, stacks and snapshots made here must die before it.
// Errors: usage, no_repository, locked, wrong_key, and those of the store.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/filesystem.h"
#include "cli/arguments.h"
#include "cli/credentials.h"
#include "cli/event.h"
#include "cli/output.h"
#include "cli/progress_bar.h"
#include "cli/settings.h"
#include "restore/live_facts.h"
#include "snapshot/stack.h"
#include "store/repository.h"

namespace ingot {

class Invocation {
public:
    Invocation(FileSystem& file_system, const Arguments& given, Output& output, ProgressBar& bar,
               std::optional<Secret> passphrase);

    FileSystem& fs;
    const Arguments& arguments;
    Output& out;
    ProgressBar& progress;
    Event event;                            // what this run did, for who is told of it afterwards
    std::unique_ptr<LiveFacts> live_facts;  // asked for before a restore of the live stack
    bool may_ask = true;                    // false: a passphrase that was not given is not asked for

    // The config, where it was read and is good; reads nothing.
    const Config* config_if_read() const { return settings_ && settings_->config ? &*settings_->config : nullptr; }
    // Reads the config at the first call, and says when a restore of its stack is unfinished.
    const Settings& settings(ConfigUse use = ConfigUse::if_there);
    // The config's stack; needs one. The state directory and its spool folder are there afterwards.
    Stack& stack();
    // Throws Error{failed} when a restore of the stack must be finished first, Error{locked} while one is running.
    void refuse_while_unfinished();
    void refuse_while_running();
    bool unfinished();

    // Opens with the credentials that are given, and asks where none are. Under append, records that waited are filed.
    std::unique_ptr<Repository> open(LockMode mode);
    // To file what a command did, once it did it: waits for the lock for 10 s at most (or --lock-wait, if shorter). Who cannot
    // file keeps the record waiting (cli/pending.h), or the old state where it is; nobody waits for a long snapshot to end.
    std::unique_ptr<Repository> open_to_file(LockMode mode = LockMode::append);
    std::unique_ptr<Repository> open(LockMode mode, int64_t lock_wait_ms, bool accept_head = false);

    // For `init`.
    const std::optional<Secret>& environment_passphrase() const { return environment_passphrase_; }
    CredentialPlaces credential_places();
    const std::string& repository_path();
    const std::string& state_dir();

private:
    void say_if_unfinished(const Settings& settings);
    bool needs_key(const std::string& path);
    const FoundCredentials& credentials();

    std::optional<Secret> environment_passphrase_;
    std::optional<Settings> settings_;
    std::optional<FoundCredentials> credentials_;
    std::optional<Stack> stack_;
    bool unfinished_ = false;
    bool running_ = false;          // by another process, at this moment
    std::optional<Error> unknown_;  // why it cannot be said whether a restore is unfinished
};

}  // namespace ingot
