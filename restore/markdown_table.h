// The tables of a Markdown document (GitHub Flavored Markdown, "Tables"), with what a cell says and not how it looks.
//
//   | A | B |        the header; the bars at both ends may be missing
//   |---|:-:|        as many cells of dashes
//   | 1 | x \| y |   rows up to the next blank line; a row may have fewer cells, or more
//
// Fenced code and comments hold no tables. Of a cell, emphasis, code marks, link targets, tags and footnotes are left out; <br>
// is a comma.
//
// Thread safety: pure functions. Errors: none; any bytes are taken.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace ingot {

struct MarkdownRow {
    int line = 0;  // 1 is the first
    std::vector<std::string> cells;
};

struct MarkdownTable {
    MarkdownRow header;
    std::vector<MarkdownRow> rows;  // each has as many cells as the header
};

std::vector<MarkdownTable> markdown_tables(std::string_view text);

// "**[v1.2](https://...)**" -> "v1.2".
std::string plain_cell(std::string_view markdown);

}  // namespace ingot
