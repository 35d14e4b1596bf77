#include "cli/config_compatibility.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "cli/config_values.h"
#include "cli/nearest.h"
#include "cli/paths.h"

namespace ingot {
namespace {

// What a matrix has columns for, beside the application and engines (restore/compat_words.h).
constexpr std::array<const char*, 2> kVersions = {"schema", "collection"};
// Drivers that read facts by SQL from inside their pins, and answer it live.
constexpr std::array<std::string_view, 2> kSqlDrivers = {"sqlite", "postgres"};

ConfigSource* find_source(Config& config, const std::string& name) {
    const auto found = std::find_if(config.sources.begin(), config.sources.end(),
                                    [&](const ConfigSource& each) { return each.spec.name == name; });
    return found == config.sources.end() ? nullptr : &*found;
}

bool is_declared(const Config& config, const std::string& source) {
    const ConfigNode* all = config.document.find("sources");
    return all != nullptr && all->kind == ConfigNode::Kind::table && all->find(source) != nullptr;
}

void take_query(Config& config, TableReader& reader, const std::string& title, VersionSpec& spec) {
    ConfigSource* source = find_source(config, spec.source);
    if (source == nullptr) return;  // said below
    const int line = reader.line_of("sql");
    if (std::find(kSqlDrivers.begin(), kSqlDrivers.end(), source->spec.driver) == kSqlDrivers.end()) {
        return reader.mistake(line,
                              fmt::format("{} `sql` is for sources of sqlite and postgres, and [sources.{}] is one of {}: write "
                                          "`command` in its place",
                                          title, spec.source, source->spec.driver));
    }
    spec.fact = spec.name + "_version";
    const auto [known, fresh] = source->spec.facts.emplace(spec.fact, spec.query);
    if (fresh || known->second == spec.query) return;
    reader.mistake(
        line, fmt::format("{} is read as the fact `{}` of [sources.{}], which has another query", title, spec.fact, spec.source));
}

void check_version(Config& config, std::vector<Mistake>& mistakes, const char* name, const ConfigNode& node) {
    const std::string title = fmt::format("[compatibility] `{}`", name);
    TableReader reader(mistakes, &node, title);
    if (!reader.present()) return;
    const size_t mistakes_before = mistakes.size();
    VersionSpec spec;
    spec.name = name;
    spec.source = reader.text("source").value_or("");
    spec.query = reader.text("sql").value_or("");
    spec.command = reader.text("command").value_or("");
    if (reader.has("sql") == reader.has("command")) {
        reader.mistake(node.line, fmt::format("{} wants `sql` or `command`, one of the two", title));
    } else if (reader.has("sql") && !reader.has("source")) {
        reader.mistake(node.line, fmt::format("{} needs `source`: whose `sql` it is", title));
    }
    if (!spec.source.empty() && find_source(config, spec.source) == nullptr && !is_declared(config, spec.source)) {
        std::vector<std::string> names;
        for (const ConfigSource& each : config.sources) names.push_back(each.spec.name);
        reader.mistake(reader.line_of("source"), fmt::format("{}: there is no [sources.{}]{}", title, printable(spec.source),
                                                             did_you_mean(spec.source, names)));
    }
    if (mistakes.size() == mistakes_before && !spec.query.empty()) take_query(config, reader, title, spec);
    reader.finish();
    if (mistakes.size() == mistakes_before) config.compatibility.versions.push_back(std::move(spec));
}

}  // namespace

void check_compatibility(Config& config, std::vector<Mistake>& mistakes) {
    const ConfigNode* table = config.document.find("compatibility");
    TableReader reader(mistakes, table, "[compatibility]");
    if (!reader.present()) return;
    if (const auto matrix = reader.text("matrix")) config.compatibility.matrix = absolute_path(config.root, *matrix);
    for (const char* name : kVersions) {
        reader.allow(name);
        if (const ConfigNode* node = table->find(name)) check_version(config, mistakes, name, *node);
    }
    if (config.version_command.empty() && !config.compatibility.matrix.empty()) {
        mistakes.push_back({reader.line_of("matrix"),
                            "[compatibility] `matrix` is asked without the application's version: [stack] has no `version`",
                            true});
    }
    reader.finish();
}

}  // namespace ingot
