#include "cli/config_values.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/clock.h"
#include "cli/nearest.h"
#include "cli/paths.h"

namespace ingot {

TableReader::TableReader(std::vector<Mistake>& mistakes, const ConfigNode* table, std::string title)
    : mistakes_(mistakes), table_(table), title_(std::move(title)) {
    if (table_ != nullptr && table_->kind != ConfigNode::Kind::table) {
        mistake(table_->line, fmt::format("{} wants to be a table, not {}", title_, to_string(table_->kind)));
        table_ = nullptr;
    }
}

int TableReader::line_of(std::string_view key) const {
    const ConfigNode* node = table_ == nullptr ? nullptr : table_->find(key);
    return node == nullptr ? line() : node->line;
}

const ConfigNode* TableReader::take(std::string_view key, std::string_view wanted, ConfigNode::Kind kind) {
    allow(key);
    const ConfigNode* node = table_ == nullptr ? nullptr : table_->find(key);
    if (node == nullptr) return nullptr;
    const bool integer_for_number = kind == ConfigNode::Kind::number && node->kind == ConfigNode::Kind::integer;
    if (node->kind == kind || integer_for_number) return node;
    mistake(node->line, fmt::format("`{}` wants {}, not {}", key, wanted, to_string(node->kind)));
    return nullptr;
}

// What no path and no command can hold.
static const char* text_problem(const std::string& text) {
    if (text.empty()) return "is empty";
    if (text.find('\0') != std::string::npos) return "holds a NUL character";
    return nullptr;
}

std::optional<std::string> TableReader::text(std::string_view key, bool may_be_empty) {
    const ConfigNode* node = take(key, "text in quotes", ConfigNode::Kind::text);
    if (node == nullptr) return std::nullopt;
    if (may_be_empty && node->text.empty()) return node->text;
    if (const char* problem = text_problem(node->text)) {
        mistake(node->line, fmt::format("`{}` {}", key, problem));
        return std::nullopt;
    }
    return node->text;
}

std::optional<std::vector<std::string>> TableReader::text_list(std::string_view key) {
    const ConfigNode* node = take(key, "a list of texts, such as [\"a\", \"b\"]", ConfigNode::Kind::list);
    if (node == nullptr) return std::nullopt;
    std::vector<std::string> out;
    bool good = true;
    for (const ConfigNode& item : node->items) {
        const char* problem = item.kind == ConfigNode::Kind::text ? text_problem(item.text) : nullptr;
        if (item.kind != ConfigNode::Kind::text) {
            mistake(item.line, fmt::format("`{}` wants texts in its list, not {}", key, to_string(item.kind)));
        } else if (problem != nullptr) {
            mistake(item.line, fmt::format("a text in the list `{}` {}", key, problem));
        }
        good = good && item.kind == ConfigNode::Kind::text && problem == nullptr;
        out.push_back(item.text);
    }
    return good ? std::optional(out) : std::nullopt;
}

std::optional<std::map<std::string, std::string>> TableReader::text_table(std::string_view key) {
    const ConfigNode* node = take(key, "a table of texts, such as { name = \"query\" }", ConfigNode::Kind::table);
    if (node == nullptr) return std::nullopt;
    std::map<std::string, std::string> out;
    bool good = true;
    for (const auto& [name, value] : node->members) {
        if (value.kind != ConfigNode::Kind::text) {
            mistake(value.line, fmt::format("`{}.{}` wants text in quotes, not {}", key, name, to_string(value.kind)));
            good = false;
        } else if (const char* problem = text_problem(value.text)) {
            mistake(value.line, fmt::format("`{}.{}` {}", key, name, problem));
            good = false;
        }
        if (!is_plain_name(name)) {
            mistake(value.line,
                    fmt::format("`{}`: the name \"{}\" may hold letters, digits, _ and - only", key, printable(name)));
            good = false;
        }
        out[name] = value.text;
    }
    return good ? std::optional(out) : std::nullopt;
}

std::optional<double> TableReader::number(std::string_view key, double least, double most) {
    const ConfigNode* node = take(key, "a number", ConfigNode::Kind::number);
    if (node == nullptr) return std::nullopt;
    if (!std::isfinite(node->number) || node->number < least || node->number > most) {
        mistake(node->line, fmt::format("`{}` wants a number from {} to {}", key, least, most));
        return std::nullopt;
    }
    return node->number;
}

std::optional<int64_t> TableReader::duration_ms(std::string_view key) {
    const ConfigNode* node = take(key, "a length of time in quotes, such as \"10s\"", ConfigNode::Kind::text);
    if (node == nullptr) return std::nullopt;
    try {
        return parse_duration_ms(node->text);
    } catch (const Error& error) {
        mistake(node->line, fmt::format("`{}`: {}; {}", key, error.what(), error.hint()));
        return std::nullopt;
    }
}

std::optional<bool> TableReader::flag(std::string_view key) {
    const ConfigNode* node = take(key, "true or false, without quotes", ConfigNode::Kind::boolean);
    if (node == nullptr) return std::nullopt;
    return node->boolean;
}

void TableReader::missing(std::string_view key, std::string_view example) {
    mistake(line(), fmt::format("{} needs `{}`{}{}", title_, key, example.empty() ? "" : ", such as ", example));
}

void TableReader::finish() {
    if (table_ == nullptr) return;
    for (const auto& [key, value] : table_->members) {
        if (std::find(known_.begin(), known_.end(), key) != known_.end()) continue;
        mistake(value.line, fmt::format("{} has no key `{}`{}", title_, printable(key), did_you_mean(key, known_)));
    }
}

}  // namespace ingot
