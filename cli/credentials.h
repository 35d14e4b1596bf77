// What opens a repository, and where it came from. In this order, the first that is given:
//
//   --key-file FILE
//   INGOT_PASSWORD, INGOT_PASSWORD_FILE, INGOT_PASSWORD_COMMAND
//   $CREDENTIALS_DIRECTORY/ingot-key, $CREDENTIALS_DIRECTORY/ingot-passphrase   (systemd)
//   [repository] key_file of the config
//   a question on the terminal
//
// INGOT_PASSWORD is taken out of the environment as the first thing a command does, so that no child inherits it.
// Thread safety: one thread. Errors: Error{wrong_key}, Error{usage}, Error{failed}; none quotes a secret.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "base/filesystem.h"
#include "store/repository.h"

namespace ingot {

// A variable's value; nothing where it is not set or empty.
std::optional<std::string> environment(const char* name);

// Takes INGOT_PASSWORD out of the environment, and overwrites the place where it stood.
std::optional<Secret> take_environment_passphrase();

struct CredentialPlaces {
    std::string key_file_argument;  // --key-file
    const Secret* environment_passphrase = nullptr;
    std::string key_file_config;
};

struct FoundCredentials {
    Credentials credentials;
    std::string origin;  // "the key file /etc/ingot/key (config)", "INGOT_PASSWORD_FILE"
};

// The first that is given, without asking; nothing where none is. With `make_missing_key`, a key file that is named but does
// not exist is made, and `made` is called with its path.
std::optional<FoundCredentials> find_credentials(FileSystem& fs, const CredentialPlaces& places,
                                                 const std::function<void(const std::string&)>& warn,
                                                 const std::function<void(const std::string& path)>& made_key = {});

// The first line of a file. Throws Error{usage} where it is empty or too long.
Secret read_passphrase_file(FileSystem& fs, const std::string& path, const std::function<void(const std::string&)>& warn);

// Asks for a new passphrase, twice.
Secret ask_new_passphrase(const std::string& what);

}  // namespace ingot
