// The values in force, and where each came from: command line, environment, config file, default, in this order.
//
// Thread safety: values. Errors: Error{usage} for a config that is named and not there, or has mistakes.
#pragma once

#include <optional>
#include <string>

#include "cli/arguments.h"
#include "cli/config.h"
#include "cli/output.h"

namespace ingot {

struct Setting {
    std::string value;
    std::string origin;  // "-r", "INGOT_REPOSITORY", "/etc/ingot/ingot.toml:3", "default"; empty: there is none
};

struct Settings {
    std::optional<Config> config;
    Setting config_file;
    Setting repository;
    Setting key_file;
    Setting state_dir;
    bool repository_from_config = false;
};

// Commands that only look work without a config, or beside a broken one when the repository is named otherwise.
enum class ConfigUse { if_there, required };

Settings settle(FileSystem& fs, const GlobalArguments& global, ConfigUse use, Output& out);

// Which config file is in force; no value where there is none.
Setting find_config(FileSystem& fs, const GlobalArguments& global);

// /var/lib/ingot for root, else $XDG_STATE_HOME/ingot or ~/.local/state/ingot.
std::string default_state_dir();

}  // namespace ingot
