#include "cli/invocation.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "cli/pending.h"
#include "cli/terminal.h"
#include "restore/journal.h"
#include "store/config_file.h"
#include "store/directory_store.h"

namespace ingot {

static const char* const kFinishFirst = "finish it with `ingot restore --resume`, or take it back with `ingot restore --undo`";

Invocation::Invocation(FileSystem& file_system, const Arguments& given, Output& output, ProgressBar& bar,
                       std::optional<Secret> passphrase)
    : fs(file_system), arguments(given), out(output), progress(bar), environment_passphrase_(std::move(passphrase)) {}

const Settings& Invocation::settings(ConfigUse use) {
    if (!settings_) {
        settings_ = settle(fs, arguments.global, use, out);
        say_if_unfinished(*settings_);
    }
    return *settings_;
}

void Invocation::say_if_unfinished(const Settings& settings) {
    if (!settings.config) return;
    try {
        const std::optional<Journal> journal = unfinished_restore(fs, settings.state_dir.value, settings.config->stack_name);
        if (!journal) return;
        unfinished_ = true;
        running_ = restore_is_running(settings.state_dir.value, settings.config->stack_name);
        const bool finishing = arguments.command == "rollback" ||
                               (arguments.command == "restore" && (arguments.restore.resume || arguments.restore.undo));
        if (running_) {
            out.warn(fmt::format("a restore of {} is running ({}, snapshot {})", journal->stack, to_string(journal->state),
                                 journal->snapshot.hex().substr(0, 8)));
        } else if (!finishing) {
            out.warn(fmt::format("a restore of {} is unfinished ({}, snapshot {}): {}", journal->stack, to_string(journal->state),
                                 journal->snapshot.hex().substr(0, 8), kFinishFirst));
        }
    } catch (const Error& error) {
        // What only looks goes on; what changes something is refused by refuse_while_unfinished().
        unknown_ = error;
        out.warn(fmt::format("whether a restore is unfinished cannot be said: {}", error.what()));
    }
}

void Invocation::refuse_while_unfinished() {
    settings(ConfigUse::required);
    if (unknown_) {
        throw Error(Code::failed,
                    fmt::format("whether a restore of this stack is unfinished cannot be said: {}", unknown_->what()),
                    unknown_->code() == Code::damaged ? "`ingot restore --resume` says what is left to do" : unknown_->hint());
    }
    refuse_while_running();
    if (unfinished_)
        throw Error(Code::failed, "a restore of this stack is unfinished: nothing else is done before", kFinishFirst);
}

void Invocation::refuse_while_running() {
    settings(ConfigUse::required);
    if (!running_) return;
    throw Error(Code::locked, "another restore of this stack is running: nothing else is done meanwhile",
                "wait until it has ended, and look at how it went");
}

bool Invocation::unfinished() {
    settings(ConfigUse::required);
    return unfinished_;
}

Stack& Invocation::stack() {
    if (stack_) return *stack_;
    const Settings& values = settings(ConfigUse::required);
    if (!values.config) {
        throw Error(Code::usage, fmt::format("`ingot {}` needs a config that says what the stack is", arguments.command),
                    "name one with -c FILE, or make one with: ingot config generate > ingot.toml");
    }
    stack_ = make_stack(*values.config, state_dir());
    return *stack_;
}

const std::string& Invocation::state_dir() {
    const std::string& folder = settings().state_dir.value;
    try {
        make_dirs(fs, folder, 0700);
        make_dirs(fs, join(folder, "spool"), 0700);
    } catch (const Error& error) {
        const Error with_place = error.within("the state directory");
        throw Error(with_place.code(), with_place.what(),
                    error.hint().empty() ? "name another in the config: [state] dir" : error.hint());
    }
    return folder;
}

const std::string& Invocation::repository_path() {
    const std::string& path = settings().repository.value;
    if (path.empty()) {
        throw Error(Code::usage, "no repository is named",
                    "give -r FOLDER, set INGOT_REPOSITORY, or write `path` under [repository] in the config");
    }
    return path;
}

CredentialPlaces Invocation::credential_places() {
    const Setting& key_file = settings().key_file;
    CredentialPlaces places;
    const bool argument = key_file.origin == "--key-file";
    (argument ? places.key_file_argument : places.key_file_config) = key_file.value;
    places.environment_passphrase = environment_passphrase_ ? &*environment_passphrase_ : nullptr;
    return places;
}

bool Invocation::needs_key(const std::string& path) {
    try {
        DirectoryStore blobs(fs, path);
        return load_config(blobs, {}).sealed;
    } catch (const Error& error) {
        ignore_error(error, "opening says what is wrong, and no passphrase is asked for where there is no repository");
        return false;
    }
}

const FoundCredentials& Invocation::credentials() {
    if (!credentials_)
        credentials_ = find_credentials(fs, credential_places(), [this](const std::string& line) { out.warn(line); });
    if (!credentials_) {
        const std::string path = printable(repository_path());
        if (!may_ask || !can_ask()) {
            throw Error(Code::usage,
                        fmt::format("the repository {} is encrypted, and neither a key file nor a passphrase was given", path),
                        "give --key-file FILE, or set INGOT_PASSWORD_FILE, INGOT_PASSWORD_COMMAND or INGOT_PASSWORD");
        }
        FoundCredentials asked;
        asked.credentials.passphrase = ask_secret(fmt::format("passphrase of {}: ", path));
        asked.origin = "the passphrase";
        credentials_ = std::move(asked);
    }
    return *credentials_;
}

std::unique_ptr<Repository> Invocation::open(LockMode mode) { return open(mode, arguments.global.lock_wait_ms); }

std::unique_ptr<Repository> Invocation::open(LockMode mode, int64_t lock_wait_ms, bool accept_head) {
    const std::string& path = repository_path();
    const auto warn = [this](const std::string& line) { out.warn(line); };
    OpenOptions options;
    options.mode = mode;
    options.lock_wait_ms = lock_wait_ms;
    options.state_dir = state_dir();
    options.accept_head = accept_head;
    options.warn = warn;
    std::unique_ptr<Repository> repository;
    if (!needs_key(path)) {
        repository = Repository::open(fs, path, {}, options);
    } else {
        const FoundCredentials& found = credentials();
        try {
            repository = Repository::open(fs, path, found.credentials, options);
        } catch (const Error& error) {
            if (error.code() == Code::wrong_key) throw error.within(found.origin);
            throw;
        }
    }
    if (mode != LockMode::shared) file_pending(fs, *repository, options.state_dir, warn);
    return repository;
}

std::unique_ptr<Repository> Invocation::open_to_file(LockMode mode) {
    constexpr int64_t kFilingWaitMs = 10'000;
    return open(mode, std::min(kFilingWaitMs, arguments.global.lock_wait_ms));
}

}  // namespace ingot
