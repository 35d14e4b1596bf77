#include "cli/credentials.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <cstdlib>
#include <cstring>

#include "base/error.h"
#include "base/process.h"
#include "cli/key_file.h"
#include "cli/terminal.h"

namespace ingot {

// A longer first line is more likely a file that holds something else.
static constexpr uint64_t kPassphraseLimitBytes = 1024;

std::optional<std::string> environment(const char* name) {
    const char* value = std::getenv(name);
    if (value == nullptr || *value == '\0') return std::nullopt;
    return std::string(value);
}

std::optional<Secret> take_environment_passphrase() {
    char* value = std::getenv("INGOT_PASSWORD");
    if (value == nullptr) return std::nullopt;
    const std::string_view text(value);
    std::optional<Secret> secret;
    if (!text.empty()) secret = Secret::copy_of(text);
    wipe({reinterpret_cast<uint8_t*>(value), text.size()});
    ::unsetenv("INGOT_PASSWORD");
    return secret;
}

static Secret first_line(std::string_view text, const std::string& where) {
    text = text.substr(0, text.find('\n'));
    if (text.ends_with('\r')) text.remove_suffix(1);
    if (text.empty())
        throw Error(Code::usage, fmt::format("{} gives an empty passphrase", where), "its first line is the passphrase");
    if (text.size() > kPassphraseLimitBytes) {
        throw Error(Code::usage, fmt::format("{}: a passphrase has at most {} bytes", where, kPassphraseLimitBytes),
                    "its first line is the passphrase: is this the right file?");
    }
    return Secret::copy_of(text);
}

Secret read_passphrase_file(FileSystem& fs, const std::string& path, const std::function<void(const std::string&)>& warn) {
    // Not a regular file's size but what can be read counts: /dev/stdin and pipes (`<(...)`) have none.
    Secret text(kPassphraseLimitBytes + 2);
    size_t length = 0;
    struct stat st {};
    if (::stat(path.c_str(), &st) == 0 && S_ISREG(st.st_mode)) {
        if ((st.st_mode & 077) != 0) {
            warn(fmt::format("the passphrase file {} may be read by others than its owner (mode {:04o}); run: chmod 600 {}",
                             printable(path), st.st_mode & 07777, printable(path)));
        }
        length = fs.open(path)->read_at(0, text.writable());
    } else {
        FILE* file = std::fopen(path.c_str(), "re");
        if (file == nullptr) throw Error::from_errno("reading the passphrase file", path, errno, Code::wrong_key);
        std::setvbuf(file, nullptr, _IONBF, 0);
        length = std::fread(text.writable().data(), 1, text.size(), file);
        std::fclose(file);
    }
    return first_line(text.text().substr(0, length), fmt::format("the passphrase file {}", printable(path)));
}

static Secret passphrase_from_command(const std::string& command) {
    CommandResult result;
    try {
        result = run(Command::shell(command, ""));
    } catch (const Error& error) {
        throw error.within("running INGOT_PASSWORD_COMMAND");
    }
    if (result.status != 0) {
        wipe({reinterpret_cast<uint8_t*>(result.out.data()), result.out.size()});
        throw Error(Code::wrong_key, fmt::format("INGOT_PASSWORD_COMMAND ended with status {}", result.status),
                    "run it by hand: its first line of output is the passphrase");
    }
    Secret secret = first_line(result.out, "INGOT_PASSWORD_COMMAND");
    wipe({reinterpret_cast<uint8_t*>(result.out.data()), result.out.size()});
    return secret;
}

static FoundCredentials from_passphrase(Secret passphrase, std::string origin) {
    FoundCredentials found;
    found.credentials.passphrase = std::move(passphrase);
    found.origin = std::move(origin);
    return found;
}

std::optional<FoundCredentials> find_credentials(FileSystem& fs, const CredentialPlaces& places,
                                                 const std::function<void(const std::string&)>& warn,
                                                 const std::function<void(const std::string& path)>& made_key) {
    const auto from_key = [&](const std::string& path, const std::string& origin) {
        FoundCredentials found;
        if (made_key && !fs.exists(path)) {
            found.credentials.key_file = make_key_file(fs, path);
            made_key(path);
        } else {
            found.credentials.key_file = read_key_file(fs, path, warn);
        }
        found.origin = fmt::format("the key file {} ({})", printable(path), origin);
        return found;
    };
    if (!places.key_file_argument.empty()) return from_key(places.key_file_argument, "--key-file");
    if (places.environment_passphrase != nullptr)
        return from_passphrase(places.environment_passphrase->clone(), "INGOT_PASSWORD");
    if (const auto path = environment("INGOT_PASSWORD_FILE")) {
        return from_passphrase(read_passphrase_file(fs, *path, warn), "INGOT_PASSWORD_FILE");
    }
    if (const auto command = environment("INGOT_PASSWORD_COMMAND")) {
        return from_passphrase(passphrase_from_command(*command), "INGOT_PASSWORD_COMMAND");
    }
    if (const auto folder = environment("CREDENTIALS_DIRECTORY")) {
        const std::string key = join(*folder, "ingot-key");
        const std::string passphrase = join(*folder, "ingot-passphrase");
        // systemd makes these files itself, and lets only the unit's user in: their mode says nothing.
        const auto silent = [](const std::string&) {};
        if (fs.exists(key)) {
            FoundCredentials found;
            found.credentials.key_file = read_key_file(fs, key, silent);
            found.origin = "$CREDENTIALS_DIRECTORY/ingot-key";
            return found;
        }
        if (fs.exists(passphrase)) {
            return from_passphrase(read_passphrase_file(fs, passphrase, silent), "$CREDENTIALS_DIRECTORY/ingot-passphrase");
        }
    }
    if (!places.key_file_config.empty()) return from_key(places.key_file_config, "config");
    return std::nullopt;
}

Secret ask_new_passphrase(const std::string& what) {
    Secret first = ask_secret(fmt::format("new passphrase for {}: ", what));
    if (first.empty()) throw Error(Code::usage, "an empty passphrase protects nothing", "run the command again");
    const Secret second = ask_secret("once more: ");
    if (first.text() != second.text()) throw Error(Code::usage, "the two passphrases differ", "run the command again");
    return first;
}

}  // namespace ingot
