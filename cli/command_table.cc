#include "cli/command_table.h"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

namespace ingot {
namespace {

CLI::App* command(CLI::App& app, const std::string& name, const std::string& summary, const std::string& example) {
    CLI::App* sub = app.add_subcommand(name, summary);
    sub->allow_extras();  // judged by arguments.cc, which names the nearest flag
    sub->footer("Example:\n  " + example + "\n\nThe flags of every command: ingot help");
    return sub;
}

// One value for each time the flag is given: `--accept docs 3f2a91bc` must not take the id.
void add_list(CLI::App* sub, const std::string& name, std::vector<std::string>& values, const std::string& help) {
    sub->add_option(name, values, help)->allow_extra_args(false)->type_name("NAME");
}

void add_text(CLI::App* sub, const std::string& name, std::string& value, const std::string& help, const std::string& type) {
    sub->add_option(name, value, help)->type_name(type);
}

void add_making(CLI::App& app, Arguments& arguments) {
    CLI::App* init = command(app, "init", "Make a repository, and a key file where the config names one that is not there",
                             "ingot -r /var/lib/ingot/repo --key-file /etc/ingot/key init");
    init->add_flag("--no-encryption", arguments.init.no_encryption, "Store everything readable by whoever can read the folder");
    add_text(init, "--label", arguments.init.label, "Name of the first key", "TEXT");

    CLI::App* snapshot = command(app, "snapshot", "Take a snapshot of the stack", "ingot snapshot --golden --tag before-deploy");
    snapshot->alias("backup");
    snapshot->add_flag("--golden", arguments.snapshot.golden, "Then read it back, open every artifact, and attest it as golden");
    add_list(snapshot, "--tag,-t", arguments.snapshot.tags, "A word to find it by (may be given again)");

    CLI::App* promote =
        command(app, "promote", "Prove a stored snapshot, and attest it as golden", "ingot promote latest --accept docs");
    add_text(promote, "ID", arguments.promote.which, "latest, latest~N or the first digits of an id", "");
    add_list(promote, "--accept", arguments.promote.accept, "A source whose smaller size is intended (may be given again)");
}

void add_looking(CLI::App& app, Arguments& arguments) {
    const auto add_stack = [&](CLI::App* sub) {
        add_text(sub, "--stack", arguments.stack, "Only snapshots of this stack", "NAME");
    };
    const std::string which_help = "golden, latest, latest~N or the first digits of an id";

    CLI::App* list = command(app, "list", "List the snapshots", "ingot list --golden");
    list->alias("snapshots");
    add_text(list, "--tag,-t", arguments.look.tag, "Only those with this tag", "NAME");
    list->add_flag("--golden", arguments.look.golden, "Only golden ones");
    add_stack(list);

    CLI::App* show = command(app, "show", "Show what is recorded about a snapshot", "ingot show latest");
    add_text(show, "ID", arguments.look.which, which_help, "");
    add_stack(show);

    CLI::App* ls = command(app, "ls", "List the entries of a snapshot", "ingot ls -l latest models");
    add_text(ls, "ID", arguments.look.which, which_help, "");
    add_text(ls, "PATH", arguments.look.path, "Only this source, SOURCE/PATH, or path and what lies below it", "");
    ls->add_flag("-l,--long", arguments.look.long_format, "With mode, owner, size and time");
    ls->add_flag("--sha256", arguments.look.sha256, "Files only, in the form of sha256sum: `| sha256sum -c` compares them");
    add_stack(ls);

    CLI::App* cat = command(app, "cat", "Print a file of a snapshot", "ingot cat latest models/prompt.txt > prompt.txt");
    add_text(cat, "ID", arguments.look.which, which_help, "");
    add_text(cat, "PATH", arguments.look.path, "SOURCE/PATH, or a path that only one source has", "");
    cat->add_flag("--reveal", arguments.look.reveal, "Show the values of an env file on a terminal");
    add_stack(cat);

    CLI::App* diff = command(app, "diff", "Show what differs between two snapshots", "ingot diff latest~1 latest");
    add_text(diff, "A", arguments.look.which, which_help, "");
    add_text(diff, "B", arguments.look.other, "the later one", "");
    add_stack(diff);

    add_stack(command(app, "stats", "Show how much is stored", "ingot stats --json"));
}

void add_proving(CLI::App& app, Arguments& arguments, RawValues& raw) {
    CLI::App* verify = command(app, "verify", "Read a snapshot back and re-hash every byte", "ingot verify --all --sample 5%");
    add_text(verify, "ID", arguments.verify.which, "golden, latest, latest~N or the first digits of an id; default latest", "");
    verify->add_flag("--all", arguments.verify.all, "Every snapshot");
    add_text(verify, "--sample", raw.sample, "Read only this share of the packs, chosen anew each time", "SHARE");
    add_text(verify, "--max-age", raw.max_age, "Do not read again what was verified less than this ago", "TIME");
    add_text(verify, "--stack", arguments.stack, "Only snapshots of this stack", "NAME");

    CLI::App* check = command(app, "check", "Check the structure of the repository", "ingot check --repair");
    check->add_flag("--repair", arguments.check.repair, "Mend second copies, rebuild a damaged index");
    check->add_flag("--rebuild-index", arguments.check.rebuild_index, "Make the index anew from the packs");
    check->add_flag("--accept-head", arguments.check.accept_head,
                    "Take the repository's last commits as they are, though older than seen");
    check->add_flag("--quick", arguments.check.quick, "Do not read the packs' directories");
}

constexpr const char* kAllowIncompatible = "Also where the compatibility matrix refuses it";

void add_restoring(CLI::App& app, Arguments& arguments) {
    CLI::App* restore =
        command(app, "restore", "Put the stack back, all of it or none", "ingot restore --at \"2026-11-19 08:00\" --dry-run");
    RestoreArguments& values = arguments.restore;
    add_text(restore, "WHICH", values.which, "golden, latest, latest~N or the first digits of an id", "");
    add_text(restore, "--at", values.at, "The newest complete snapshot that is not later", "TIME");
    restore->add_option("--only", values.only, "Only these sources, with commas")
        ->delimiter(',')
        ->allow_extra_args(false)
        ->type_name("SOURCES");
    add_text(restore, "--to", values.to, "Into this folder; nothing live is touched, no config is needed", "DIR");
    add_text(restore, "--keep-replaced", values.keep_replaced, "Keep what is replaced in a new folder of this one", "DIR");
    restore->add_flag("-n,--dry-run", values.dry_run, "Print what would change, and change nothing");
    restore->add_flag("--resume", values.resume, "Finish a restore that was cut short");
    restore->add_flag("--undo", values.undo, "Take back a restore that was cut short");
    restore->add_flag("--no-services", values.no_services, "With --resume or --undo: leave the services to be started later");
    restore->add_flag("--no-safety", values.no_safety, "Delete what was replaced without a safety snapshot: no `ingot undo`");
    restore->add_flag("--allow-incompatible", values.allow_incompatible, kAllowIncompatible);
    restore->add_flag("-y,--yes", values.yes, "Do not ask");
    add_text(restore, "--stack", arguments.stack, "Only snapshots of this stack", "NAME");

    CLI::App* rollback = command(app, "rollback", "Put the newest golden snapshot back, with all hooks and no questions",
                                 "ingot rollback --reason \"error rate above 5 %\"");
    add_text(rollback, "--reason", arguments.rollback.reason, "Why; kept with the restore", "TEXT");

    rollback->add_flag("--allow-incompatible", arguments.rollback.allow_incompatible, kAllowIncompatible);

    CLI::App* undo = command(app, "undo", "Take a finished restore back, from its safety snapshot", "ingot undo --dry-run");
    add_text(undo, "RESTORE", arguments.undo.restore, "The id of a restore, or of its safety snapshot; default: the last restore",
             "");
    undo->add_option("--only", arguments.undo.only, "Only these sources, with commas")
        ->delimiter(',')
        ->allow_extra_args(false)
        ->type_name("SOURCES");
    undo->add_flag("-n,--dry-run", arguments.undo.dry_run, "Print what would change, and change nothing");
    undo->add_flag("--no-safety", arguments.undo.no_safety, "Delete what is replaced: this undo cannot be undone");
    undo->add_flag("--allow-incompatible", arguments.undo.allow_incompatible, kAllowIncompatible);
    undo->add_flag("-y,--yes", arguments.undo.yes, "Do not ask");

    CLI::App* compat = command(app, "compat", "Say whether a snapshot goes with what is there: versions, engines, secrets",
                               "ingot compat latest --only db");
    add_text(compat, "WHICH", arguments.compat.which, "golden (default), latest, latest~N or the first digits of an id", "");
    compat->add_option("--only", arguments.compat.only, "As if only these sources were restored, with commas")
        ->delimiter(',')
        ->allow_extra_args(false)
        ->type_name("SOURCES");
    add_text(compat, "--stack", arguments.stack, "Only snapshots of this stack", "NAME");

    CLI::App* drill =
        command(app, "drill", "Restore a snapshot to scratch, open and check everything, and record it", "ingot drill latest");
    add_text(drill, "WHICH", arguments.drill.which, "golden (default), latest, latest~N or the first digits of an id", "");
    add_text(drill, "--to", arguments.drill.to, "The folder that the scratch folder is made in; default: the state directory",
             "DIR");
    add_text(drill, "--stack", arguments.stack, "Only snapshots of this stack", "NAME");

    CLI::App* guard = command(app, "guard", "Take a golden snapshot, run a command, and roll back where it or a probe fails",
                              "ingot guard --reason \"release 42\" -- ./deploy.sh");
    add_text(guard, "--reason", arguments.rollback.reason, "Why; kept with the restore, if there is one", "TEXT");
    guard->add_flag("--no-rollback", arguments.guard.no_rollback, "Say what failed, and leave the stack as it is");
}

void add_records(CLI::App& app, Arguments& arguments) {
    CLI::App* audit =
        command(app, "audit", "List what was restored, promoted or found damaged, by whom and why", "ingot audit --json");
    add_text(audit, "--stack", arguments.stack, "Only of this stack", "NAME");
    CLI::App* report =
        command(app, "report", "Print the incident report of a restore, in Markdown", "ingot report > incident.md");
    add_text(report, "RESTORE", arguments.look.which, "The first digits of a restore's id; default the last", "");
    add_text(report, "--stack", arguments.stack, "Only of this stack", "NAME");
}

void add_settings(CLI::App& app, Arguments& arguments) {
    CLI::App* key = command(app, "key", "Add, remove and list what opens the repository", "ingot key list");
    key->require_subcommand(0, 1);
    CLI::App* add =
        command(*key, "add", "Add a passphrase or a key file", "ingot key add --new-key-file /media/usb/ingot.key --label spare");
    CLI::App* passwd = command(*key, "passwd", "Change the passphrase", "ingot key passwd");
    for (CLI::App* sub : {add, passwd}) {
        add_text(sub, "--new-passphrase-file", arguments.key.new_passphrase_file, "Its first line; default: ask twice", "FILE");
        add_text(sub, "--label", arguments.key.label, "Name of the key, for `key list`", "TEXT");
    }
    add_text(add, "--new-key-file", arguments.key.new_key_file, "Add this key file, and make it where it is not there", "FILE");
    add_text(passwd, "SLOT", arguments.key.slot, "Which passphrase, where there are several", "");
    CLI::App* remove = command(*key, "remove", "Remove a key", "ingot key remove 5e0b1c22");
    add_text(remove, "SLOT", arguments.key.slot, "As `ingot key list` names it", "");
    command(*key, "list", "List the keys", "ingot key list");

    CLI::App* config = command(app, "config", "Check, show and make config files", "ingot config validate");
    config->require_subcommand(0, 1);
    CLI::App* validate =
        command(*config, "validate", "Report every mistake in the config at once", "ingot config validate ./ingot.toml");
    add_text(validate, "FILE", arguments.config.file_or_folder, "Default: the one that the other commands use", "");
    command(*config, "show", "Print the values in force, and where each came from", "ingot config show");
    CLI::App* generate =
        command(*config, "generate", "Print a config to start from", "ingot config generate /opt/raggen > ingot.toml");
    add_text(generate, "FOLDER", arguments.config.file_or_folder,
             "The stack's folder, looked through for databases and .env files", "");

    CLI::App* completion = command(app, "completion", "Print a script that lets a shell complete ingot's command lines",
                                   "ingot completion bash > /usr/share/bash-completion/completions/ingot");
    add_text(completion, "SHELL", arguments.completion.shell, "bash or zsh", "");

    command(app, "version", "Print the version of ingot and of the format it writes", "ingot version");
}

}  // namespace

void add_global_flags(CLI::App& app, Arguments& arguments, RawValues& raw) {
    GlobalArguments& global = arguments.global;
    app.add_option("-c,--config", global.config, "Config file; default ./ingot.toml, then /etc/ingot/ingot.toml")
        ->type_name("FILE");
    app.add_option("-r,--repo", global.repository, "The repository")->type_name("FOLDER");
    app.add_option("--key-file", global.key_file, "Key file that opens the repository")->type_name("FILE");
    app.add_flag("--json", global.json, "JSON lines in place of text");
    app.add_flag("-q,--quiet", global.quiet, "Only results, warnings and errors");
    app.add_flag("-v,--verbose", global.verbosity, "More detail");
    app.add_option("--lock-wait", raw.lock_wait, "How long to wait for another command to finish; default 10m")
        ->type_name("TIME");
    app.add_flag("--no-progress", global.no_progress, "No progress bar");
}

void add_commands(CLI::App& app, Arguments& arguments, RawValues& raw) {
    add_making(app, arguments);
    add_looking(app, arguments);
    add_proving(app, arguments, raw);
    add_restoring(app, arguments);
    add_records(app, arguments);
    add_settings(app, arguments);
}

}  // namespace ingot
