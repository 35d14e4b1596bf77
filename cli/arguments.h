// The command line, parsed: which command, and what it was given.
//
// Global flags are taken before and behind the command. A passphrase is refused as an argument, and never repeated in an error.
// Thread safety: values. Errors: Error{usage}, with the nearest command or flag.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace ingot {

struct GlobalArguments {
    std::string config;
    std::string repository;
    std::string key_file;
    bool json = false;
    bool quiet = false;
    int verbosity = 0;
    bool no_progress = false;
    int64_t lock_wait_ms = 600'000;
};

struct InitArguments {
    bool no_encryption = false;
    std::string label = "first";
};

struct SnapshotArguments {
    bool golden = false;
    std::vector<std::string> tags;
};

// list, show, ls, cat, diff
struct LookArguments {
    std::string which;
    std::string other;  // diff's second
    std::string path;
    std::string tag;
    bool golden = false;
    bool long_format = false;
    bool sha256 = false;
    bool reveal = false;
};

struct VerifyArguments {
    std::string which;
    bool all = false;
    double sample = 1;
    int64_t max_age_ms = 0;
};

struct PromoteArguments {
    std::string which;
    std::vector<std::string> accept;
};

struct RestoreArguments {
    std::string which;
    std::string at;
    std::vector<std::string> only;
    std::string to;
    std::string keep_replaced;
    bool dry_run = false;
    bool resume = false;
    bool undo = false;
    bool no_services = false;
    bool no_safety = false;
    bool allow_incompatible = false;  // what the matrix refuses
    bool yes = false;
};

struct CompatArguments {
    std::string which;
    std::vector<std::string> only;
};

struct RollbackArguments {
    std::string reason;  // of guard, too
    bool allow_incompatible = false;
};

struct UndoArguments {
    std::string restore;  // an id of a restore or of its safety snapshot; empty: the last restore
    std::vector<std::string> only;
    bool dry_run = false;
    bool no_safety = false;
    bool allow_incompatible = false;
    bool yes = false;
};

struct DrillArguments {
    std::string which;
    std::string to;
};

struct GuardArguments {
    std::vector<std::string> command;  // what stands behind "--"
    bool no_rollback = false;
};

struct CheckArguments {
    bool repair = false;
    bool rebuild_index = false;
    bool accept_head = false;
    bool quick = false;
};

struct KeyArguments {
    std::string slot;
    std::string label;
    std::string new_key_file;
    std::string new_passphrase_file;
};

struct ConfigArguments {
    std::string file_or_folder;
};

struct CompletionArguments {
    std::string shell;
};

struct Arguments {
    std::string command;  // "snapshot", "key add"; "help": print `help` and end
    std::string help;
    std::string stack;  // --stack of the commands that look
    GlobalArguments global;
    InitArguments init;
    SnapshotArguments snapshot;
    LookArguments look;
    VerifyArguments verify;
    PromoteArguments promote;
    RestoreArguments restore;
    CompatArguments compat;
    RollbackArguments rollback;
    UndoArguments undo;
    DrillArguments drill;
    GuardArguments guard;
    CheckArguments check;
    KeyArguments key;
    ConfigArguments config;
    CompletionArguments completion;
};

// `words` without the program's name.
Arguments parse_arguments(const std::vector<std::string>& words);

// "5%" or "0.05" -> 0.05, in (0, 1]. Throws Error{usage}.
double parse_share(const std::string& text);

}  // namespace ingot
