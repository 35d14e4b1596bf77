#include "cli/arguments.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>

#include "base/clock.h"
#include "base/error.h"
#include "cli/command_table.h"
#include "cli/nearest.h"

namespace ingot {
namespace {

using Words = std::vector<std::string>;

const Words kGlobalWithValue = {"-c", "--config", "-r", "--repo", "--key-file", "--lock-wait"};
const Words kGlobalWithout = {"--json", "-q", "--quiet", "-v", "--verbose", "--no-progress"};

bool contains(const Words& words, std::string_view word) { return std::find(words.begin(), words.end(), word) != words.end(); }

// "--label=x" -> "--label": what stands behind may be a secret, and is not repeated.
std::string flag_name(const std::string& word) { return word.substr(0, word.find('=')); }

void refuse_secrets(const std::string& word) {
    const std::string name = flag_name(word);
    if (!name.starts_with("--pass") && name != "--pw") return;
    throw Error(
        Code::usage,
        fmt::format("{} does not exist: every user of this machine can read the command lines of others", printable(name)),
        "put the passphrase in a file of mode 0600 and name it in INGOT_PASSWORD_FILE, set INGOT_PASSWORD_COMMAND, use "
        "--key-file, or let ingot ask");
}

// Global flags may stand anywhere: they are moved to the front, where the parser expects them.
Words with_globals_first(const Words& words) {
    Words globals, rest;
    for (size_t i = 0; i < words.size(); ++i) {
        const std::string& word = words[i];
        if (word == "--") {
            rest.insert(rest.end(), words.begin() + static_cast<std::ptrdiff_t>(i), words.end());
            break;
        }
        refuse_secrets(word);
        const bool letters = word.size() > 1 && word[0] == '-' && word.find_first_not_of("qv", 1) == std::string::npos;
        const bool glued = word.size() > 2 && (word.starts_with("-c") || word.starts_with("-r"));
        if (contains(kGlobalWithValue, word)) {
            globals.push_back(word);
            if (i + 1 < words.size()) globals.push_back(words[++i]);
        } else if (letters || glued || contains(kGlobalWithout, word) ||
                   (word.find('=') != std::string::npos && contains(kGlobalWithValue, flag_name(word)))) {
            globals.push_back(word);
        } else {
            rest.push_back(word);
        }
    }
    globals.insert(globals.end(), rest.begin(), rest.end());
    return globals;
}

// The place of the first word that is neither a global flag nor a flag's value; words.size() where there is none.
size_t command_place(const Words& words) {
    size_t i = 0;
    while (i < words.size() && words[i].starts_with('-')) i += contains(kGlobalWithValue, words[i]) ? 2 : 1;
    return std::min(i, words.size());
}

Words command_names(const CLI::App& app) {
    Words names;
    for (const CLI::App* sub : app.get_subcommands([](const CLI::App*) { return true; })) {
        names.push_back(sub->get_name());
        for (const std::string& alias : sub->get_aliases()) names.push_back(alias);
    }
    return names;
}

[[noreturn]] void unknown_command(const std::string& word, const std::string& under, const CLI::App& app) {
    throw Error(Code::usage,
                fmt::format("ingot has no command `{}{}`{}", under, printable(word), did_you_mean(word, command_names(app))),
                "`ingot help` lists the commands");
}

// The help of `ingot help key add`, or of ingot itself.
std::string help_of(CLI::App& app, const Words& path) {
    CLI::App* sub = &app;
    std::string prefix;
    for (const std::string& word : path) {
        if (word.starts_with('-')) continue;
        const std::string under = sub == &app ? "" : sub->get_name() + " ";
        if (!contains(command_names(*sub), word)) unknown_command(word, under, *sub);
        prefix += prefix.empty() ? "ingot" : " " + sub->get_name();
        sub = sub->get_subcommand(word);
    }
    return sub->help(prefix);
}

void refuse_extras(const CLI::App& sub, const std::string& command) {
    for (const std::string& word : sub.remaining()) {
        if (word == "--") continue;  // what stands behind it are operands
        if (!word.starts_with('-') || word == "-") {
            throw Error(Code::usage, fmt::format("ingot {} does not know what to do with \"{}\"", command, printable(word)),
                        fmt::format("ingot help {}", command));
        }
        Words known = kGlobalWithout;
        known.insert(known.end(), kGlobalWithValue.begin(), kGlobalWithValue.end());
        for (const CLI::Option* option : sub.get_options()) {
            for (const std::string& name : option->get_lnames()) known.push_back("--" + name);
        }
        throw Error(
            Code::usage,
            fmt::format("ingot {} has no flag `{}`{}", command, printable(flag_name(word)), did_you_mean(flag_name(word), known)),
            fmt::format("ingot help {}", command));
    }
}

void need(const Arguments& arguments, bool given, const char* what, const char* hint) {
    if (!given) throw Error(Code::usage, fmt::format("ingot {} wants {}", arguments.command, what), hint);
}

void check_operands(const Arguments& arguments) {
    const std::string& command = arguments.command;
    const char* ids = "`ingot list` shows the snapshots; `latest` and `golden` name the newest";
    const LookArguments& look = arguments.look;
    if (command == "show" || command == "ls" || command == "cat")
        need(arguments, !look.which.empty(), "the id of a snapshot", ids);
    if (command == "cat") need(arguments, !look.path.empty(), "the path of a file", "`ingot ls ID` lists them");
    if (command == "diff") need(arguments, !look.which.empty() && !look.other.empty(), "the ids of two snapshots", ids);
    if (command == "promote") need(arguments, !arguments.promote.which.empty(), "the id of a snapshot", ids);
    if (command == "completion")
        need(arguments, !arguments.completion.shell.empty(), "the name of a shell: bash or zsh", "ingot completion bash");
    if (command == "key remove") need(arguments, !arguments.key.slot.empty(), "the name of a key", "`ingot key list` shows them");
    if (command == "verify" && arguments.verify.all && !arguments.verify.which.empty()) {
        throw Error(Code::usage, "ingot verify takes an id or --all, not both", "leave one of the two out");
    }
    if (command == "key add" && !arguments.key.new_key_file.empty() && !arguments.key.new_passphrase_file.empty()) {
        throw Error(Code::usage, "ingot key add takes --new-key-file or --new-passphrase-file, not both", "run it once for each");
    }
    if (command == "guard")
        need(arguments, !arguments.guard.command.empty(), "a command behind --", "ingot guard -- ./deploy.sh --now");
    // It is kept in the journal and in reports: a sentence, not a log.
    constexpr size_t kMostReasonBytes = 1000;
    if (arguments.rollback.reason.size() > kMostReasonBytes)
        throw Error(Code::usage, "the reason is longer than 1000 bytes", "say it in a sentence");
    if (command != "restore") return;
    const RestoreArguments& restore = arguments.restore;
    const bool unfinished = restore.resume || restore.undo;
    if (restore.resume && restore.undo)
        throw Error(Code::usage, "ingot restore takes --resume or --undo, not both", "leave one of the two out");
    if (unfinished && (!restore.which.empty() || !restore.at.empty() || !restore.to.empty() || !restore.only.empty() ||
                       restore.dry_run || !restore.keep_replaced.empty())) {
        throw Error(Code::usage, "--resume and --undo finish the restore that was begun, and take nothing else",
                    "leave the rest out; restore another snapshot when that is done");
    }
    if (restore.no_services && !unfinished) {
        throw Error(Code::usage, "--no-services goes with --resume or --undo",
                    "it is for the boot, when the machine starts the services after the recovery");
    }
    if (!restore.to.empty() && !restore.keep_replaced.empty()) {
        throw Error(Code::usage, "ingot restore takes --to or --keep-replaced, not both",
                    "with --to nothing live is touched, so nothing is replaced: leave --keep-replaced out");
    }
    if (!restore.which.empty() && !restore.at.empty())
        throw Error(Code::usage, "ingot restore takes WHICH or --at, not both", "leave one of the two out");
    need(arguments, unfinished || !restore.which.empty() || !restore.at.empty(),
         "to know which snapshot: an id, latest, golden, or --at TIME", ids);
}

void take_raw(const RawValues& raw, Arguments& arguments) {
    if (!raw.lock_wait.empty()) arguments.global.lock_wait_ms = parse_duration_ms(raw.lock_wait);
    if (!raw.max_age.empty()) arguments.verify.max_age_ms = parse_duration_ms(raw.max_age);
    if (!raw.sample.empty()) arguments.verify.sample = parse_share(raw.sample);
}

}  // namespace

double parse_share(const std::string& text) {
    std::string_view digits = text;
    const bool percent = digits.ends_with('%');
    if (percent) digits.remove_suffix(1);
    double value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (percent) value /= 100;
    if (error != std::errc() || end != digits.data() + digits.size() || !(value > 0 && value <= 1)) {
        throw Error(Code::usage, fmt::format("\"{}\" is not a share", printable(text)),
                    "write 5% or 0.05, more than nothing and at most 100%");
    }
    return value;
}

Arguments parse_arguments(const std::vector<std::string>& given) {
    Arguments arguments;
    RawValues raw;
    CLI::App app("Ingot takes golden snapshots of a RAG stack and puts the stack back, whole, as it was at a given moment.",
                 "ingot");
    app.footer("Example:\n  ingot snapshot --golden && ingot list\n\nMore: ingot help COMMAND, and docs/cli.md");
    app.require_subcommand(0, 1);  // and no second one: an operand may be named like a command
    add_global_flags(app, arguments, raw);
    add_commands(app, arguments, raw);

    Words words = with_globals_first(given);
    const size_t place = command_place(words);
    const Words from_command(words.begin() + static_cast<std::ptrdiff_t>(place), words.end());
    const Words flags(words.begin(), std::find(words.begin(), words.end(), "--"));
    const bool asks_help = contains(flags, "--help") || contains(flags, "-h");
    if (asks_help || (!from_command.empty() && from_command[0] == "help")) {
        arguments.command = "help";
        Words path;
        for (const std::string& word : from_command) {
            const bool operand =
                word == "help" || word.starts_with('-') || (path.size() == 1 && path[0] != "key" && path[0] != "config");
            if (!operand && path.size() < 2) path.push_back(word);
        }
        arguments.help = help_of(app, path);
        return arguments;
    }
    if (contains(words, "--version"))
        words = {"version"};
    else if (from_command.empty())
        throw Error(Code::usage, "no command was given", "`ingot help` lists the commands");
    else if (!contains(command_names(app), from_command[0]))
        unknown_command(from_command[0], "", app);

    if (const auto dashes = std::find(words.begin(), words.end(), "--");
        dashes != words.end() && !from_command.empty() && from_command[0] == "guard") {
        arguments.guard.command.assign(dashes + 1, words.end());
        words.erase(dashes, words.end());
    }
    try {
        std::reverse(words.begin(), words.end());  // as the parser wants it
        app.parse(words);
    } catch (const CLI::ParseError& error) {
        throw Error(Code::usage, printable(error.what()),
                    "`ingot help` lists the commands, `ingot help COMMAND` the flags of one");
    }
    const CLI::App* sub = &app;
    while (!sub->get_subcommands().empty()) {
        sub = sub->get_subcommands().front();
        arguments.command += (arguments.command.empty() ? "" : " ") + sub->get_name();
    }
    if (arguments.command == "key" || arguments.command == "config") {
        const Words rest = sub->remaining();
        if (!rest.empty() && !rest[0].starts_with('-')) unknown_command(rest[0], arguments.command + " ", *sub);
        throw Error(Code::usage,
                    fmt::format("ingot {} wants one of: {}", arguments.command, fmt::join(command_names(*sub), ", ")),
                    fmt::format("ingot help {}", arguments.command));
    }
    refuse_extras(*sub, arguments.command);
    take_raw(raw, arguments);
    check_operands(arguments);
    return arguments;
}

}  // namespace ingot
