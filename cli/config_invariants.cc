#include "cli/config_invariants.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "cli/config_values.h"
#include "cli/nearest.h"
#include "snapshot/invariants.h"

namespace ingot {
namespace {

// What a source will tell of itself, where that is known before it is asked: docs/drivers/ lists the facts of each driver.
std::optional<std::vector<std::string>> facts_known_of(const SourceSpec& spec) {
    if (spec.driver == "files") return {{"files", "directories", "symlinks", "bytes"}};
    if (spec.driver != "sqlite") return std::nullopt;
    std::vector<std::string> names = {"page_count",   "page_size",      "journal_mode",
                                      "user_version", "application_id", "schema_objects"};
    for (const auto& [name, query] : spec.facts) names.push_back(name);
    return names;
}

bool is_declared(const Config& config, const std::string& source) {
    const ConfigNode* all = config.document.find("sources");
    return all != nullptr && all->kind == ConfigNode::Kind::table && all->find(source) != nullptr;
}

void check_fact(const Config& config, TableReader& reader, std::string_view key, const std::string& text) {
    const int line = reader.line_of(key);
    const FactName name = fact_name(text);
    if (name.source.empty()) {
        reader.mistake(
            line, fmt::format("`{}` wants a source and its fact, such as \"db.chunks\", and not \"{}\"", key, printable(text)));
        return;
    }
    const auto source = std::find_if(config.sources.begin(), config.sources.end(),
                                     [&](const ConfigSource& each) { return each.spec.name == name.source; });
    if (source == config.sources.end()) {
        if (is_declared(config, name.source)) return;  // what is wrong with it is said already
        std::vector<std::string> names;
        for (const ConfigSource& each : config.sources) names.push_back(each.spec.name);
        reader.mistake(
            line, fmt::format("`{}`: there is no [sources.{}]{}", key, printable(name.source), did_you_mean(name.source, names)));
        return;
    }
    const std::optional<std::vector<std::string>> known = facts_known_of(source->spec);
    if (!known || std::find(known->begin(), known->end(), name.fact) != known->end()) return;
    reader.mistake(line, fmt::format("`{}`: [sources.{}] has no fact `{}`{}; it has: {}", key, name.source, printable(name.fact),
                                     did_you_mean(name.fact, *known), fmt::join(*known, ", ")));
}

void check_invariant(Config& config, std::vector<Mistake>& mistakes, const ConfigNode& node) {
    TableReader reader(mistakes, &node, "[[invariants]]");
    if (!reader.present()) return;
    const size_t mistakes_before = mistakes.size();
    const std::string left = reader.text("left").value_or(""), right = reader.text("right").value_or("");
    if (!reader.has("left")) reader.missing("left", "left = \"vectors.ntotal\"");
    if (!reader.has("right")) reader.missing("right", "right = \"db.chunks\"");
    if (!left.empty()) check_fact(config, reader, "left", left);
    if (!right.empty()) check_fact(config, reader, "right", right);
    const std::string name = reader.text("name").value_or(left + " = " + right);
    reader.finish();
    for (const InvariantSpec& each : config.invariants) {
        if (each.name == name) reader.mistake(node.line, fmt::format("two [[invariants]] are named \"{}\"", printable(name)));
    }
    if (mistakes.size() == mistakes_before) config.invariants.push_back({name, left, right});
}

}  // namespace

void check_invariants(Config& config, std::vector<Mistake>& mistakes) {
    const ConfigNode* all = config.document.find("invariants");
    if (all == nullptr) return;
    if (all->kind != ConfigNode::Kind::list) {
        mistakes.push_back({all->line, "`invariants` wants to be a list of tables: [[invariants]]", false});
        return;
    }
    for (const ConfigNode& node : all->items) check_invariant(config, mistakes, node);
}

}  // namespace ingot
