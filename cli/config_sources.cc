#include "cli/config_sources.h"

#include <fmt/format.h>

#include "cli/config_services.h"
#include "cli/config_values.h"
#include "cli/nearest.h"
#include "cli/paths.h"
#include "drivers/registry.h"

namespace ingot {

namespace {

// The driver that a source names, or null after saying what is wrong: without it no key can be judged.
const DriverInfo* driver_of(TableReader& reader, const std::string& title) {
    std::vector<std::string> names;
    for (const DriverInfo& info : all_drivers()) names.emplace_back(info.name);
    const std::string have = fmt::format("{}", fmt::join(names, ", "));
    if (!reader.has("driver")) {
        reader.mistake(reader.line(), fmt::format("{} needs `driver`, one of: {}", title, have));
        return nullptr;
    }
    const std::optional<std::string> driver = reader.text("driver");
    if (!driver) return nullptr;
    if (const DriverInfo* info = find_driver(*driver)) return info;
    reader.mistake(reader.line_of("driver"), fmt::format("there is no driver \"{}\"{}; there are: {}", printable(*driver),
                                                         did_you_mean(*driver, names), have));
    return nullptr;
}

void take_text(TableReader& reader, std::string_view key, SourceSpec& spec) {
    const std::optional<std::string> text = reader.text(key);
    if (!text) return;
    if (key == "path") {
        spec.paths.push_back(*text);
    } else {
        spec.options[std::string(key)] = *text;
    }
}

void take_list(TableReader& reader, std::string_view key, SourceSpec& spec) {
    const std::optional<std::vector<std::string>> list = reader.text_list(key);
    if (!list) return;
    if (key == "paths") {
        spec.paths.insert(spec.paths.end(), list->begin(), list->end());
        if (list->empty()) reader.mistake(reader.line_of(key), "`paths` is empty: name what is to be protected");
    } else if (key == "exclude") {
        spec.exclude = *list;
    } else if (key == "growing") {
        spec.growing = *list;
    } else {
        spec.options[std::string(key)] = fmt::format("{}", fmt::join(*list, "\n"));
    }
}

void take_table(TableReader& reader, std::string_view key, SourceSpec& spec) {
    const auto texts = reader.text_table(key);
    if (!texts) return;
    if (key == "facts") {
        spec.facts = *texts;
        return;
    }
    for (const auto& [name, text] : *texts) spec.options[fmt::format("{}.{}", key, name)] = text;
}

void take_key(TableReader& reader, const DriverKey& key, SourceSpec& spec) {
    if (key.required && !reader.has(key.name)) reader.missing(key.name, "");
    switch (key.type) {
        case KeyType::text:
            return take_text(reader, key.name, spec);
        case KeyType::text_list:
            return take_list(reader, key.name, spec);
        case KeyType::text_table:
            return take_table(reader, key.name, spec);
        case KeyType::number:
            if (const auto number = reader.number(key.name, -1e15, 1e15)) {
                spec.options[std::string(key.name)] = fmt::format("{}", *number);
            }
            return;
        case KeyType::duration:
            if (reader.duration_ms(key.name)) spec.options[std::string(key.name)] = reader.text(key.name).value_or("");
            return;
        case KeyType::text_or_empty:
            if (const auto text = reader.text(key.name, true)) spec.options[std::string(key.name)] = *text;
            return;
        case KeyType::flag:
            if (const auto flag = reader.flag(key.name)) spec.options[std::string(key.name)] = *flag ? "true" : "false";
            return;
    }
}

// A driver that takes `path` or `paths`, neither of them required, wants one of the two.
void needs_path(TableReader& reader, const DriverInfo& info) {
    const DriverKey* first = nullptr;
    for (const DriverKey& key : info.keys) {
        if (key.name == "conf") return;  // names the paths, and has a default
        if (key.name != "path" && key.name != "paths") continue;
        if (key.required || reader.has(key.name)) return;
        if (first == nullptr) first = &key;
    }
    if (first != nullptr) reader.missing(first->name, first->name == "path" ? "path = \"data/app.db\"" : "paths = [\"data\"]");
}

void check_source(Config& config, std::vector<Mistake>& mistakes, const std::string& name, const ConfigNode& node) {
    const std::string title = fmt::format("[sources.{}]", printable(name));
    const size_t mistakes_before = mistakes.size();
    TableReader reader(mistakes, &node, title);
    if (!reader.present()) return;
    if (!is_plain_name(name)) {
        reader.mistake(node.line, title + ": the name of a source may hold letters, digits, _ and - only, at most 64 of them");
    }
    const DriverInfo* info = driver_of(reader, title);
    if (info == nullptr) return;
    ConfigSource out;
    out.line = node.line;
    out.spec.name = name;
    out.spec.driver = std::string(info->name);
    out.spec.root = config.root;
    if (const auto ratio = reader.number("min_ratio", 0, 1)) out.spec.min_ratio = *ratio;
    for (const DriverKey& key : info->keys) take_key(reader, key, out.spec);
    needs_path(reader, *info);
    reader.allow("hooks");
    if (const ConfigNode* hooks = node.find("hooks")) check_source_hooks(config, mistakes, name, *hooks);
    reader.finish();
    if (mistakes.size() == mistakes_before && config.root.starts_with('/')) {
        try {
            info->make(out.spec);
        } catch (const Error& error) {
            const std::string hint = error.hint().empty() ? "" : "; " + error.hint();
            reader.mistake(node.line, fmt::format("{}: {}{}", title, error.what(), hint));
        }
    }
    config.sources.push_back(std::move(out));
}

void same_path_twice(const Config& config, std::vector<Mistake>& mistakes) {
    std::map<std::string, const ConfigSource*> seen;
    for (const ConfigSource& source : config.sources) {
        for (const std::string& path : source.spec.paths) {
            const std::string place = absolute_path(config.root, path);
            const auto [found, fresh] = seen.emplace(place, &source);
            if (fresh) continue;
            mistakes.push_back({source.line,
                                fmt::format("[sources.{}] lists {}, as [sources.{}] in line {} does", source.spec.name,
                                            printable(place), found->second->spec.name, found->second->line),
                                true});
        }
    }
}

}  // namespace

void check_sources(Config& config, std::vector<Mistake>& mistakes) {
    const ConfigNode* all = config.document.find("sources");
    if (all == nullptr) {
        mistakes.push_back({1, "there is no [sources.NAME]: nothing would be protected", false});
    } else if (all->kind != ConfigNode::Kind::table) {
        mistakes.push_back({all->line, "`sources` wants to be tables: [sources.NAME]", false});
    } else if (all->members.empty()) {
        mistakes.push_back({all->line, "[sources] is empty: nothing would be protected", false});
    } else {
        for (const auto& [name, node] : all->members) check_source(config, mistakes, name, node);
        same_path_twice(config, mistakes);
    }
}

}  // namespace ingot
