#include "cli/config_toml.h"

#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>

#include "base/error.h"

namespace ingot {

const ConfigNode* ConfigNode::find(std::string_view key) const {
    for (const auto& [name, member] : members) {
        if (name == key) return &member;
    }
    return nullptr;
}

const char* to_string(ConfigNode::Kind kind) {
    switch (kind) {
        case ConfigNode::Kind::table:
            return "a table";
        case ConfigNode::Kind::list:
            return "a list";
        case ConfigNode::Kind::text:
            return "text";
        case ConfigNode::Kind::integer:
        case ConfigNode::Kind::number:
            return "a number";
        case ConfigNode::Kind::boolean:
            return "true or false";
        case ConfigNode::Kind::time:
            return "a date or time";
    }
    return "something else";
}

static void place(ConfigNode& out, const toml::source_region& source) {
    out.line = static_cast<int>(source.begin.line);
    out.column = static_cast<int>(source.begin.column);
}

static ConfigNode node_of(const toml::node& node) {
    ConfigNode out;
    place(out, node.source());
    if (const toml::table* table = node.as_table()) {
        for (const auto& [key, value] : *table) {
            ConfigNode member = node_of(value);
            // A table that only exists because of a longer heading ([sources.db]) has no place of its own.
            if (key.source().begin.line != 0) place(member, key.source());
            out.members.push_back({std::string(key.str()), std::move(member)});
        }
        const auto by_place = [](const auto& a, const auto& b) {
            return std::pair(a.value.line, a.value.column) < std::pair(b.value.line, b.value.column);
        };
        std::stable_sort(out.members.begin(), out.members.end(), by_place);
    } else if (const toml::array* array = node.as_array()) {
        out.kind = ConfigNode::Kind::list;
        for (const toml::node& item : *array) out.items.push_back(node_of(item));
        // [[probes]] has the place of its first element.
        if (out.line == 0 && !out.items.empty()) out.line = out.items.front().line;
    } else if (const auto* text = node.as_string()) {
        out.kind = ConfigNode::Kind::text;
        out.text = text->get();
    } else if (const auto* integer = node.as_integer()) {
        out.kind = ConfigNode::Kind::integer;
        out.integer = integer->get();
        out.number = static_cast<double>(integer->get());
    } else if (const auto* number = node.as_floating_point()) {
        out.kind = ConfigNode::Kind::number;
        out.number = number->get();
    } else if (const auto* boolean = node.as_boolean()) {
        out.kind = ConfigNode::Kind::boolean;
        out.boolean = boolean->get();
    } else {
        out.kind = ConfigNode::Kind::time;
    }
    return out;
}

std::optional<ConfigNode> parse_toml(std::string_view document, TomlMistake& mistake) {
    try {
        const toml::table table = toml::parse(document);
        return node_of(table);
    } catch (const toml::parse_error& error) {
        mistake.line = static_cast<int>(error.source().begin.line);
        mistake.column = static_cast<int>(error.source().begin.column);
        mistake.what = printable(error.description());
        return std::nullopt;
    }
}

std::string toml_text(std::string_view text) {
    std::string out = "\"";
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '"' || c == '\\') {
            out += '\\';
            out += c;
        } else if (c == '\n') {
            out += "\\n";
        } else if (byte < 0x20 || byte == 0x7f) {
            out += fmt::format("\\u{:04x}", byte);
        } else {
            out += c;
        }
    }
    return out + "\"";
}

}  // namespace ingot
