#include <fmt/format.h>

#include "base/error.h"
#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/terminal.h"

namespace ingot {

static void say_keep_the_key(Output& out, const std::string& path) {
    out.warn(
        fmt::format("made the key file {}: KEEP A COPY OF IT ELSEWHERE, on another machine or on paper. Without it nobody can "
                    "read this repository, and no one can make it again",
                    printable(path)));
}

int cmd_init(Invocation& run) {
    const std::string& path = run.repository_path();
    if (run.fs.exists(join(path, "config"))) {
        // Before a key file is made that would open nothing.
        throw Error(Code::failed, fmt::format("there is a repository in {} already", printable(path)),
                    "use it as it is, or name another folder");
    }
    InitOptions options;
    options.label = run.arguments.init.label;
    options.encryption = !run.arguments.init.no_encryption;
    std::string made_key;
    FoundCredentials found;
    if (options.encryption) {
        const auto warn = [&](const std::string& line) { run.out.warn(line); };
        std::optional<FoundCredentials> given =
            find_credentials(run.fs, run.credential_places(), warn, [&](const std::string& key) {
                made_key = key;
                say_keep_the_key(run.out, key);
            });
        if (given) {
            found = std::move(*given);
        } else if (can_ask()) {
            found.credentials.passphrase = ask_new_passphrase("the repository");
            found.origin = "a passphrase";
        } else {
            throw Error(Code::usage, "a repository is encrypted, and neither a key file nor a passphrase was given",
                        "give --key-file FILE (made where it is not there), set INGOT_PASSWORD_FILE, or say --no-encryption");
        }
        const Setting& key_file = run.settings().key_file;
        if (!found.credentials.key_file && !key_file.value.empty()) {
            run.out.warn(fmt::format(
                "{} opens the repository, and the key file {} ({}) does not: add it with `ingot key add --new-key-file`",
                found.origin, printable(key_file.value), key_file.origin));
        }
    }
    Repository::init(run.fs, path, found.credentials, options);
    if (!options.encryption) run.out.warn("the repository is not encrypted: whoever can read the folder can read what is stored");
    run.out.line(
        fmt::format("made the repository {}{}", printable(path), options.encryption ? ", opened by " + found.origin : ""));
    JsonObject object("initialized");
    object.add_path("repository", path).add("encrypted", options.encryption);
    if (found.credentials.key_file) object.add_path("key_file", run.settings().key_file.value);
    object.add("key_file_made", !made_key.empty());
    run.out.object(object);
    return kExitDone;
}

}  // namespace ingot
