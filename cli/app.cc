#include "cli/app.h"

#include <fmt/format.h>
#include <malloc.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <cstdio>
#include <cstring>
#include <map>
#include <new>
#include <set>

#include "base/error.h"
#include "base/interrupt.h"
#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/follow_up.h"
#include "drivers/registry.h"

namespace ingot {
namespace {

const std::map<std::string, CommandFunction> kCommands = {
    {"init", cmd_init},
    {"snapshot", cmd_snapshot},
    {"promote", cmd_promote},
    {"list", cmd_list},
    {"show", cmd_show},
    {"ls", cmd_ls},
    {"cat", cmd_cat},
    {"diff", cmd_diff},
    {"stats", cmd_stats},
    {"verify", cmd_verify},
    {"check", cmd_check},
    {"restore", cmd_restore},
    {"rollback", cmd_rollback},
    {"undo", cmd_undo},
    {"compat", cmd_compat},
    {"drill", cmd_drill},
    {"guard", cmd_guard},
    {"audit", cmd_audit},
    {"report", cmd_report},
    {"key add", cmd_key_add},
    {"key remove", cmd_key_remove},
    {"key list", cmd_key_list},
    {"key passwd", cmd_key_passwd},
    {"config validate", cmd_config_validate},
    {"config show", cmd_config_show},
    {"config generate", cmd_config_generate},
    {"completion", cmd_completion},
    {"version", cmd_version},
};

void harden_process() {
    // Keys are in this process's memory: no core dump, no debugger of the same user. Sanitizers need to trace themselves.
#if !defined(__SANITIZE_ADDRESS__)
    ::prctl(PR_SET_DUMPABLE, 0);
#endif
    const rlimit none{0, 0};
    ::setrlimit(RLIMIT_CORE, &none);
    // glibc makes an arena for each thread that allocates; each may hold tens of MiB of freed memory. Two bound that.
    ::mallopt(M_ARENA_MAX, 2);
}

// A passphrase on the command line is refused; until then it is in everybody's `ps`. It is taken out of there at once.
void wipe_passphrase_arguments(int argc, char** argv) {
    for (int i = 1; i < argc; ++i) {
        const std::string_view word(argv[i]);
        if (!word.starts_with("--pass")) continue;
        const size_t equals = word.find('=');
        if (equals != std::string_view::npos) {
            std::memset(argv[i] + equals + 1, 'x', word.size() - equals - 1);
        } else if (i + 1 < argc) {
            std::memset(argv[i + 1], 'x', std::strlen(argv[i + 1]));
        }
    }
}

// Scripts read the last line of these, also when they fail.
void summarise_failure(Output& out, const std::string& command, Code code) {
    static const std::set<std::string> kSummarised = {"snapshot", "verify", "restore", "rollback", "undo", "drill", "guard"};
    if (!kSummarised.contains(command)) return;
    JsonObject object("summary");
    object.add("outcome", code == Code::rolled_back           ? "rolled_back"
                          : code == Code::rollback_incomplete ? "rollback_incomplete"
                                                              : "failed");
    out.object(object.add("exit", exit_code(code)));
}

// Returns the exit status.
int tell_failure(Output& out, const std::string& command, const Error& error) {
    const int exit = out.error(error);
    try {
        summarise_failure(out, command, error.code());
        out.finish();
    } catch (const Error& second) {
        ignore_error(second, "the failure that came first is the one to report");
    }
    return exit;
}

int run_command(const Arguments& arguments, FileSystem& fs, Output& out, std::optional<Secret> passphrase) {
    if (arguments.command == "help") {
        out.bytes(view_of(arguments.help));
        return kExitDone;
    }
    out.json = arguments.global.json;
    out.quiet = arguments.global.quiet;
    out.verbosity = arguments.global.verbosity;
    ProgressBar progress(out, !arguments.global.no_progress && !arguments.global.quiet && !arguments.global.json);
    Invocation run(fs, arguments, out, progress, std::move(passphrase));
    return run_and_follow_up(run, kCommands.at(arguments.command),
                             [&](const Error& error) { return tell_failure(out, arguments.command, error); });
}

int guarded(int argc, char** argv, FileSystem& fs, Output& out, std::string& command) {
    std::vector<std::string> words(argv + 1, argv + argc);
    for (const std::string& word : words) out.json = out.json || word == "--json";  // for errors in the command line itself
    wipe_passphrase_arguments(argc, argv);
    std::optional<Secret> passphrase = take_environment_passphrase();
    const Arguments arguments = parse_arguments(words);
    command = arguments.command;
    const int exit = run_command(arguments, fs, out, std::move(passphrase));
    out.finish();
    return exit;
}

}  // namespace

int run_ingot(int argc, char** argv, FileSystem& fs) {
    harden_process();
    if (const std::optional<int> status = run_engine_child(argc, argv)) return *status;
    catch_interrupts();
    Output out;
    std::string command;
    std::optional<Error> failure;
    try {
        return guarded(argc, argv, fs, out, command);
    } catch (const Error& error) {
        failure = error;
    } catch (const std::bad_alloc&) {
        failure = Error(Code::failed, "there is not enough memory", "stop other programs, or raise the limit of this one");
    } catch (const std::exception& error) {
        failure = Error(Code::failed, fmt::format("an unexpected failure: {}", printable(error.what())), "please report it");
    }
    return tell_failure(out, command, *failure);
}

}  // namespace ingot
