#include "cli/settings.h"

#include <fmt/format.h>
#include <pwd.h>
#include <unistd.h>

#include "cli/credentials.h"
#include "cli/paths.h"

namespace ingot {

Setting find_config(FileSystem& fs, const GlobalArguments& global) {
    if (!global.config.empty()) return {global.config, "-c"};
    if (const auto named = environment("INGOT_CONFIG")) return {*named, "INGOT_CONFIG"};
    for (const char* place : {"ingot.toml", "/etc/ingot/ingot.toml"}) {
        if (fs.exists(place)) return {place, "default"};
    }
    return {};
}

std::string default_state_dir() {
    if (::geteuid() == 0) return "/var/lib/ingot";
    if (const auto state = environment("XDG_STATE_HOME"); state && state->starts_with('/')) return join(*state, "ingot");
    std::string home = environment("HOME").value_or("");
    if (!home.starts_with('/')) {
        const passwd* user = ::getpwuid(::geteuid());
        home = user != nullptr ? user->pw_dir : "/nonexistent";
    }
    return join(home, ".local/state/ingot");
}

static std::string line_origin(const Config& config, const ConfigText& text) {
    return fmt::format("{}:{}", printable(config.file), text.line);
}

static void read_settings_config(FileSystem& fs, ConfigUse use, Output& out, Settings& settings) {
    settings.config_file.value = absolute_path(settings.config_file.value);
    const bool repository_given = !settings.repository.value.empty();
    ConfigReading reading = read_config(fs, settings.config_file.value, repository_given);
    const bool can_do_without = use == ConfigUse::if_there && repository_given && settings.config_file.origin != "-c";
    if (reading.wrong() && !can_do_without) throw reading.error();
    if (reading.wrong()) {
        out.warn(
            fmt::format("{} has mistakes (ingot config validate); going on without it", printable(settings.config_file.value)));
    }
    const Config& config = reading.config;
    if (!repository_given && !config.repository.text.empty()) {
        settings.repository = {config.repository.text, line_origin(config, config.repository)};
        settings.repository_from_config = true;
    }
    if (settings.key_file.value.empty() && !config.key_file.text.empty()) {
        settings.key_file = {config.key_file.text, line_origin(config, config.key_file)};
    }
    if (settings.state_dir.value.empty() && !config.state_dir.text.empty())
        settings.state_dir = {config.state_dir.text, line_origin(config, config.state_dir)};
    if (!reading.wrong()) settings.config = std::move(reading.config);
}

Settings settle(FileSystem& fs, const GlobalArguments& global, ConfigUse use, Output& out) {
    Settings settings;
    if (!global.repository.empty()) {
        settings.repository = {global.repository, "-r"};
    } else if (const auto named = environment("INGOT_REPOSITORY")) {
        settings.repository = {*named, "INGOT_REPOSITORY"};
    }
    if (settings.repository.value.find("://") != std::string::npos) {
        throw Error(Code::usage, "object storage is not supported by this version of ingot", "name a folder as the repository");
    }
    if (!settings.repository.value.empty()) settings.repository.value = absolute_path(settings.repository.value);
    if (!global.key_file.empty()) settings.key_file = {absolute_path(global.key_file), "--key-file"};
    if (const auto folder = environment("INGOT_STATE_DIR")) settings.state_dir = {absolute_path(*folder), "INGOT_STATE_DIR"};
    settings.config_file = find_config(fs, global);
    if (!settings.config_file.value.empty()) {
        read_settings_config(fs, use, out, settings);
    } else if (use == ConfigUse::required) {
        throw Error(Code::usage, "there is no config: neither ./ingot.toml nor /etc/ingot/ingot.toml is there",
                    "name one with -c FILE, or make one with: ingot config generate > ingot.toml");
    }
    if (settings.state_dir.value.empty()) settings.state_dir = {default_state_dir(), "default"};
    return settings;
}

}  // namespace ingot
