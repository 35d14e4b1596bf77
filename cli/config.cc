#include "cli/config.h"

#include <fmt/format.h>

#include <algorithm>

#include "cli/config_check.h"
#include "drivers/registry.h"

namespace ingot {

// A config is written by people. What is larger is another file.
static constexpr uint64_t kConfigLimitBytes = 1 << 20;

bool ConfigReading::wrong() const {
    return std::any_of(mistakes.begin(), mistakes.end(), [](const Mistake& mistake) { return !mistake.warning; });
}

std::vector<std::string> ConfigReading::lines() const {
    std::vector<std::string> out;
    for (const Mistake& mistake : mistakes) {
        out.push_back(fmt::format("{}:{}: {}{}", printable(config.file), mistake.line, mistake.warning ? "warning: " : "",
                                  mistake.message));
    }
    return out;
}

Error ConfigReading::error() const {
    const auto count = std::count_if(mistakes.begin(), mistakes.end(), [](const Mistake& mistake) { return !mistake.warning; });
    std::string what = fmt::format("the config has {} mistake{}", count, count == 1 ? "" : "s");
    for (const std::string& line : lines()) what += "\n  " + line;
    return Error(Code::usage, what, "mend them, then run `ingot config validate`; docs/cli.md lists every key");
}

ConfigReading read_config(FileSystem& fs, const std::string& path, bool repository_given) {
    Bytes document;
    try {
        document = read_file(fs, path, kConfigLimitBytes);
    } catch (const Error& error) {
        if (error.code() == Code::not_found) {
            throw Error(Code::usage, fmt::format("there is no config file {}", printable(path)),
                        fmt::format("make one with: ingot config generate > {}", printable(path)));
        }
        if (error.code() == Code::damaged) throw error.as(Code::usage);
        throw error.within("reading the config");
    }
    return read_config_text(text_of(document), path, repository_given);
}

ConfigReading read_config_text(std::string_view document, const std::string& file, bool repository_given) {
    ConfigReading reading;
    reading.config.file = file;
    TomlMistake mistake;
    std::optional<ConfigNode> root = parse_toml(document, mistake);
    if (!root) {
        reading.mistakes.push_back({mistake.line, fmt::format("column {}: {}", mistake.column, mistake.what), false});
        return reading;
    }
    reading.config.document = std::move(*root);
    check_config(reading, repository_given);
    std::stable_sort(reading.mistakes.begin(), reading.mistakes.end(),
                     [](const Mistake& a, const Mistake& b) { return a.line < b.line; });
    return reading;
}

Stack make_stack(const Config& config, const std::string& state_dir) {
    Stack stack;
    stack.name = config.stack_name;
    stack.root = config.root;
    stack.version_command = config.version_command;
    stack.barrier = config.barrier;
    stack.golden_requires = config.golden_requires;
    stack.tries = config.tries;
    stack.golden_max_age_ms = config.golden_max_age_ms;
    stack.invariants = config.invariants;
    stack.compatibility = config.compatibility;
    stack.services = config.services;
    stack.source_hooks = config.source_hooks;
    stack.probes = config.probes;
    stack.state_dir = state_dir;
    for (const ConfigSource& source : config.sources) {
        SourceSpec spec = source.spec;
        spec.spool_dir = join(state_dir, "spool");
        try {
            stack.sources.push_back(find_driver(spec.driver)->make(std::move(spec)));
        } catch (const Error& error) {
            throw error.within(fmt::format("{}:{}: [sources.{}]", printable(config.file), source.line, source.spec.name));
        }
    }
    stack.make_driver = [](SourceSpec spec) { return find_driver(spec.driver)->make(std::move(spec)); };
    return stack;
}

}  // namespace ingot
