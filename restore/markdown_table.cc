#include "restore/markdown_table.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "restore/version.h"

namespace ingot {
namespace {

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// Cells as they stand; empty where the line has no bar.
std::vector<std::string> split_cells(std::string_view line) {
    std::vector<std::string> cells(1);
    bool bar = false;
    for (size_t i = 0; i < line.size(); ++i) {
        if (line[i] == '\\' && i + 1 < line.size() && line[i + 1] == '|') {
            cells.back() += '|';
            ++i;
        } else if (line[i] == '|') {
            bar = true;
            cells.emplace_back();
        } else {
            cells.back() += line[i];
        }
    }
    if (!bar) return {};
    if (trimmed(cells.front()).empty() && line.starts_with('|')) cells.erase(cells.begin());
    if (!cells.empty() && trimmed(cells.back()).empty() && line.ends_with('|')) cells.pop_back();
    return cells;
}

// ":--:" in every cell.
bool is_delimiter(const std::vector<std::string>& cells) {
    return !cells.empty() && std::all_of(cells.begin(), cells.end(), [](const std::string& cell) {
        std::string_view text = trimmed(cell);
        if (text.starts_with(':')) text.remove_prefix(1);
        if (text.ends_with(':')) text.remove_suffix(1);
        return !text.empty() && text.find_first_not_of('-') == std::string_view::npos;
    });
}

// "](target)" or "][name]" behind a link's text: where it ends.
size_t link_end(std::string_view text, size_t bracket) {
    if (bracket + 1 >= text.size()) return 0;
    const char open = text[bracket + 1];
    if (open != '(' && open != '[') return 0;
    const size_t end = text.find(open == '(' ? ')' : ']', bracket + 2);
    return end == std::string_view::npos ? 0 : end + 1;
}

std::optional<std::pair<std::string_view, size_t>> entity(std::string_view text) {
    static constexpr std::array<std::pair<std::string_view, std::string_view>, 7> kEntities = {
        {{"&nbsp;", " "}, {"&lt;", "<"}, {"&gt;", ">"}, {"&le;", "<="}, {"&ge;", ">="}, {"&amp;", "&"}, {"&#124;", "|"}}};
    for (const auto& [name, meaning] : kEntities) {
        if (text.starts_with(name)) return std::pair{meaning, name.size()};
    }
    return std::nullopt;
}

// What stands at `text` and is no text: how long it is, and what it means.
std::optional<std::pair<std::string_view, size_t>> mark(std::string_view text) {
    if (text.starts_with("\xef\xb8\x8f")) return std::pair{std::string_view(), size_t{3}};  // draws an emoji in colour
    if (text.starts_with("\xc2\xa0")) return std::pair{std::string_view(" "), size_t{2}};   // a blank that does not break
    if (text.starts_with("**") || text.starts_with("~~")) return std::pair{std::string_view(), size_t{2}};
    if (text.starts_with('`')) return std::pair{std::string_view(), size_t{1}};
    if (text.starts_with("[^")) {
        const size_t end = text.find(']');
        if (end != std::string_view::npos) return std::pair{std::string_view(), end + 1};
    }
    if (text.starts_with('&')) return entity(text);
    // A tag, and not "<1.2".
    if (text.size() > 2 && text[0] == '<' && (is_letter(text[1]) || text[1] == '/')) {
        const size_t end = text.find('>');
        if (end == std::string_view::npos) return std::nullopt;
        const bool line_break = lower_case(text.substr(1, 2)) == "br";
        return std::pair{std::string_view(line_break ? ", " : ""), end + 1};
    }
    return std::nullopt;
}

}  // namespace

std::string plain_cell(std::string_view markdown) {
    std::string out;
    for (size_t i = 0; i < markdown.size();) {
        if (const auto found = mark(markdown.substr(i))) {
            out += found->first;
            i += found->second;
            continue;
        }
        const char c = markdown[i];
        if (c == '\\' && i + 1 < markdown.size() &&
            std::string_view("*_`[]<>\\~").find(markdown[i + 1]) != std::string_view::npos) {
            out += markdown[i + 1];
            i += 2;
            continue;
        }
        // A link's brackets go, and its target; an image is what stands for it.
        if (c == ']' && link_end(markdown, i) != 0) {
            i = link_end(markdown, i);
            continue;
        }
        if (c == '!' && i + 1 < markdown.size() && markdown[i + 1] == '[') {
            ++i;
            continue;
        }
        if (c == '[') {
            const size_t close = markdown.find(']', i);
            if (close != std::string_view::npos && link_end(markdown, close) != 0) {
                ++i;
                continue;
            }
        }
        const char shown = c == '\t' || c == '\r' ? ' ' : c;
        if (shown != ' ' || (!out.empty() && out.back() != ' ')) out += shown;
        ++i;
    }
    std::string_view text = trimmed(out);
    for (const std::string_view emphasis : {"__", "_", "*"}) {
        if (text.size() > 2 * emphasis.size() && text.starts_with(emphasis) && text.ends_with(emphasis)) {
            text.remove_prefix(emphasis.size());
            text.remove_suffix(emphasis.size());
        }
    }
    return std::string(trimmed(text));
}

std::vector<MarkdownTable> markdown_tables(std::string_view text) {
    std::vector<MarkdownTable> tables;
    MarkdownRow before;     // the line before this one, which a delimiter row makes a header
    bool in_table = false;  // tables.back() goes on
    std::string fence;
    bool comment = false;
    int number = 0;
    for (size_t at = 0; at < text.size();) {
        const size_t end = std::min(text.find('\n', at), text.size());
        std::string_view line = text.substr(at, end - at);
        at = end + 1;
        ++number;
        if (line.ends_with('\r')) line.remove_suffix(1);
        line = trimmed(line);
        while (line.starts_with('>')) line = trimmed(line.substr(1));  // a table in a quotation
        const bool fence_here = line.starts_with("```") || line.starts_with("~~~");
        if (!fence.empty() || comment) {
            if (fence_here && line.starts_with(fence)) fence.clear();
            if (line.find("-->") != std::string_view::npos) comment = false;
            continue;
        }
        if (fence_here) fence = std::string(line.substr(0, 3));
        if (line.starts_with("<!--") && line.find("-->") == std::string_view::npos) comment = true;
        MarkdownRow row{number, fence_here || comment ? std::vector<std::string>() : split_cells(line)};
        if (row.cells.empty()) {
            in_table = false;
        } else if (in_table) {
            for (std::string& cell : row.cells) cell = plain_cell(cell);
            row.cells.resize(tables.back().header.cells.size());
            tables.back().rows.push_back(std::move(row));
            continue;
        } else if (is_delimiter(row.cells) && row.cells.size() == before.cells.size()) {
            for (std::string& cell : before.cells) cell = plain_cell(cell);
            tables.push_back({std::move(before), {}});
            in_table = true;
            row.cells.clear();
        }
        before = std::move(row);
    }
    return tables;
}

}  // namespace ingot
