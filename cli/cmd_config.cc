// config validate, show, generate; version.
#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "cli/commands.h"
#include "cli/config_sample.h"
#include "cli/exit_code.h"
#include "cli/paths.h"
#include "snapshot/audit.h"
#include "store/config_file.h"

namespace ingot {
namespace {

// "7d": the largest unit that divides it.
std::string duration_text(int64_t ms) {
    for (const auto& [unit, size_ms] :
         {std::pair<const char*, int64_t>{"d", 86'400'000}, {"h", 3'600'000}, {"m", 60'000}, {"s", 1000}}) {
        if (ms != 0 && ms % size_ms == 0) return fmt::format("{}{}", ms / size_ms, unit);
    }
    return fmt::format("{}ms", ms);
}

std::string text_list(const std::vector<std::string>& texts) {
    std::string out;
    for (const std::string& text : texts) out += (out.empty() ? "" : ", ") + toml_text(without_passwords(text));
    return "[" + out + "]";
}

// Prints `key = value   # origin`, and the same as JSON.
class Shower {
public:
    explicit Shower(Output& out) : out_(out) {}
    void table(const std::string& name) {
        table_ = name.starts_with('[') ? name.substr(1, name.size() - 2) : name;  // of a list of tables
        out_.line(fmt::format("{}[{}]", first_ ? "" : "\n", name));
        first_ = false;
    }
    void raw(const std::string& key, const std::string& value, const std::string& origin) {
        out_.line(fmt::format("{:<44}  # {}", fmt::format("{} = {}", key, printable(value)), origin));
        JsonObject object("setting");
        out_.object(object.add("key", table_ + "." + key).add_raw("value", value).add("origin", origin));
    }
    void text(const std::string& key, const std::string& value, const std::string& origin) {
        if (out_.json) {
            raw(key, json_text(without_passwords(value)), origin);
        } else {
            raw(key, toml_text(without_passwords(value)), origin);
        }
    }
    void list(const std::string& key, const std::vector<std::string>& values, const std::string& origin) {
        if (!values.empty()) raw(key, text_list(values), origin);
    }

private:
    Output& out_;
    std::string table_;
    bool first_ = true;
};

class ConfigShower {
public:
    ConfigShower(Output& out, const Config& config) : shower_(out), config_(config) {}

    void show(const Settings& settings) {
        shower_.table("repository");
        if (!settings.repository.value.empty()) shower_.text("path", settings.repository.value, settings.repository.origin);
        if (!settings.key_file.value.empty()) shower_.text("key_file", settings.key_file.value, settings.key_file.origin);
        shower_.table("stack");
        shower_.text("name", config_.stack_name, origin("stack", "name"));
        shower_.text("root", config_.root, origin("stack", "root"));
        if (!config_.version_command.empty()) shower_.text("version", config_.version_command, origin("stack", "version"));
        const Consistency needed =
            config_.golden_requires.value_or(config_.barrier.pause.empty() ? Consistency::pinned : Consistency::barrier);
        shower_.text("golden_requires", to_string(needed), origin("stack", "golden_requires"));
        shower_.text("golden_max_age", duration_text(config_.golden_max_age_ms), origin("stack", "golden_max_age"));
        shower_.raw("tries", std::to_string(config_.tries), origin("stack", "tries"));
        if (!config_.barrier.pause.empty()) {
            shower_.table("barrier");
            shower_.text("pause", config_.barrier.pause, origin("barrier", "pause"));
            shower_.text("resume", config_.barrier.resume, origin("barrier", "resume"));
            shower_.text("max_pause", duration_text(config_.barrier.max_pause_ms), origin("barrier", "max_pause"));
        }
        for (const ConfigSource& source : config_.sources) show_source(source);
        show_services();
        for (const ProbeSpec& probe : config_.probes) show_probe(probe);
        show_notify();
        shower_.table("state");
        shower_.text("dir", settings.state_dir.value, settings.state_dir.origin);
    }

private:
    void show_services() {
        const ServicesSpec& services = config_.services;
        if (!services.any()) return;
        shower_.table("services");
        for (const auto& [key, command] :
             {std::pair("drain", &services.drain), std::pair("stop", &services.stop), std::pair("checkout", &services.checkout),
              std::pair("start", &services.start), std::pair("undrain", &services.undrain)}) {
            if (!command->empty()) shower_.text(key, *command, origin("services", key));
        }
        shower_.text("timeout", duration_text(services.timeout_ms), origin("services", "timeout"));
    }

    void show_notify() {
        const NotifySpec& spec = config_.notify;
        if (spec.any()) {
            shower_.table("notify");
            for (const auto& [key, value] :
                 {std::pair("webhook_env", &spec.webhook_env), std::pair("webhook_template", &spec.webhook_template),
                  std::pair("healthchecks_env", &spec.healthchecks_env), std::pair("command", &spec.command)}) {
                if (!value->empty()) shower_.text(key, *value, origin("notify", key));
            }
            // Who knows it can make checks pass.
            if (!spec.healthchecks.empty()) shower_.text("healthchecks", "***", origin("notify", "healthchecks"));
            shower_.list("on", {spec.on.begin(), spec.on.end()}, origin("notify", "on"));
        }
        if (config_.metrics_textfile.empty()) return;
        shower_.table("metrics");
        shower_.text("textfile", config_.metrics_textfile, origin("metrics", "textfile"));
    }

    void show_probe(const ProbeSpec& probe) {
        static const char* const kKinds[] = {"http", "tcp", "command", "sql", "count"};
        const std::string from = origin("probes", "");
        shower_.table("[probes]");
        shower_.text("name", probe.name, from);
        shower_.text(kKinds[static_cast<size_t>(probe.kind)], probe.target, from);
        if (probe.status != 0) shower_.raw("status", std::to_string(probe.status), from);
        if (!probe.contains.empty()) shower_.text("contains", probe.contains, from);
        for (const auto& [pointer, value] : probe.json) shower_.text("json." + toml_text(pointer), value, from);
        if (!probe.source.empty()) shower_.text("source", probe.source, from);
        if (!probe.value.empty()) shower_.text("value", probe.value, from);
        if (!probe.fact.empty()) shower_.text("fact", probe.fact, from);
        if (probe.tolerance > 0) shower_.raw("tolerance", fmt::format("{}", probe.tolerance), from);
        shower_.text("timeout", duration_text(probe.timeout_ms), from);
        shower_.text("interval", duration_text(probe.interval_ms), from);
    }

    std::string origin(std::string_view table, std::string_view key) const {
        const ConfigNode* node = config_.document.find(table);
        return origin_in(node, key);
    }
    std::string origin_in(const ConfigNode* table, std::string_view key) const {
        const ConfigNode* node = table == nullptr ? nullptr : table->find(key);
        return node == nullptr ? "default" : fmt::format("{}:{}", printable(config_.file), node->line);
    }

    void show_source(const ConfigSource& source) {
        const SourceSpec& spec = source.spec;
        const ConfigNode* node = config_.document.find("sources")->find(spec.name);
        shower_.table("sources." + spec.name);
        shower_.text("driver", spec.driver, origin_in(node, "driver"));
        shower_.list("paths", spec.paths, origin_in(node, node->find("paths") != nullptr ? "paths" : "path"));
        shower_.list("exclude", spec.exclude, origin_in(node, "exclude"));
        shower_.list("growing", spec.growing, origin_in(node, "growing"));
        for (const auto& [name, query] : spec.facts) shower_.text("facts." + name, query, origin_in(node, "facts"));
        for (const auto& [name, value] : spec.options) shower_.text(name, value, origin_in(node, name.substr(0, name.find('.'))));
        shower_.raw("min_ratio", fmt::format("{}", spec.min_ratio), origin_in(node, "min_ratio"));
        const auto hooks = config_.source_hooks.find(spec.name);
        if (hooks == config_.source_hooks.end()) return;
        const std::string from = origin_in(node, "hooks");
        if (!hooks->second.before_swap.empty()) shower_.text("hooks.before_swap", hooks->second.before_swap, from);
        if (!hooks->second.after_swap.empty()) shower_.text("hooks.after_swap", hooks->second.after_swap, from);
        shower_.text("hooks.timeout", duration_text(hooks->second.timeout_ms), from);
    }

    Shower shower_;
    const Config& config_;
};

}  // namespace

int cmd_config_validate(Invocation& run) {
    GlobalArguments global = run.arguments.global;
    if (!run.arguments.config.file_or_folder.empty()) global.config = run.arguments.config.file_or_folder;
    const Setting file = find_config(run.fs, global);
    if (file.value.empty()) {
        throw Error(Code::usage, "there is no config: neither ./ingot.toml nor /etc/ingot/ingot.toml is there",
                    "name one: ingot config validate FILE");
    }
    const bool repository_given = !global.repository.empty() || environment("INGOT_REPOSITORY").has_value();
    const ConfigReading reading = read_config(run.fs, file.value, repository_given);
    uint64_t mistakes = 0, warnings = 0;
    for (const Mistake& mistake : reading.mistakes) {
        ++(mistake.warning ? warnings : mistakes);
        JsonObject object("mistake");
        object.add_path("file", file.value).add("line", mistake.line).add("weight", mistake.warning ? "warning" : "mistake");
        run.out.object(object.add("what", mistake.message));
    }
    for (const std::string& line : reading.lines()) run.out.line(line);
    const int exit = mistakes == 0 ? kExitDone : kExitUsage;
    run.out.line(mistakes == 0 ? fmt::format("{} is good{}", printable(file.value),
                                             warnings == 0 ? "" : ", with " + counted(warnings, "warning"))
                               : fmt::format("{} has {}", printable(file.value), counted(mistakes, "mistake")));
    JsonObject object("summary");
    run.out.object(object.add_path("file", file.value).add("mistakes", mistakes).add("warnings", warnings).add("exit", exit));
    return exit;
}

int cmd_config_show(Invocation& run) {
    const Settings& settings = run.settings(ConfigUse::required);
    run.out.line(fmt::format("# {} ({})", printable(settings.config_file.value), settings.config_file.origin));
    ConfigShower(run.out, *settings.config).show(settings);
    return kExitDone;
}

int cmd_config_generate(Invocation& run) {
    const std::string& given = run.arguments.config.file_or_folder;
    const std::string sample = given.empty() ? config_sample("/opt/stack", {})
                                             : config_sample(absolute_path(given), look_through(run.fs, absolute_path(given)));
    run.out.bytes(view_of(sample));
    return kExitDone;
}

int cmd_version(Invocation& run) {
    run.out.line(fmt::format("ingot {}, repository format {}", INGOT_VERSION, kFormatVersion));
    JsonObject object("version");
    run.out.object(object.add("version", INGOT_VERSION).add("format_version", kFormatVersion));
    return kExitDone;
}

}  // namespace ingot
