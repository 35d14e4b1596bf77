#include "cli/output.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <mutex>

#include "cli/exit_code.h"
#include "cli/terminal.h"

namespace ingot {

// Columns that a text takes on a terminal, near enough: one for each code point.
static size_t width_of(std::string_view text) {
    return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

Table::Table(std::vector<std::string> headings) {
    for (std::string& heading : headings) {
        right_.push_back(heading.starts_with('>'));
        headings_.push_back(right_.back() ? heading.substr(1) : std::move(heading));
    }
}

void Table::add(std::vector<std::string> cells) {
    cells.resize(headings_.size());
    rows_.push_back(std::move(cells));
}

std::string Table::text() const {
    std::vector<size_t> widths;
    for (size_t i = 0; i < headings_.size(); ++i) {
        size_t widest = width_of(headings_[i]);
        for (const auto& row : rows_) widest = std::max(widest, width_of(row[i]));
        widths.push_back(widest);
    }
    std::string out;
    const auto add_row = [&](const std::vector<std::string>& cells) {
        std::string line;
        for (size_t i = 0; i < cells.size(); ++i) {
            const std::string padding(widths[i] - width_of(cells[i]), ' ');
            line += i == 0 ? "" : "  ";
            line += right_[i] ? padding + cells[i] : cells[i] + padding;
        }
        line.erase(line.find_last_not_of(' ') + 1);
        out += line + "\n";
    };
    if (std::any_of(headings_.begin(), headings_.end(), [](const std::string& heading) { return !heading.empty(); })) {
        add_row(headings_);
    }
    for (const auto& row : rows_) add_row(row);
    return out;
}

static void put(std::string_view text) {
    clear_progress_line();
    if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size()) {
        throw Error::from_errno("writing to", "standard output", errno);
    }
}

static void put_error(std::string text) {
    clear_progress_line();
    std::fwrite(text.data(), 1, text.size(), stderr);
}

void Output::line(std::string_view text) {
    if (!json) put(fmt::format("{}\n", text));
}

void Output::table(const Table& table) {
    if (!json) put(table.text());
}

void Output::object(const JsonObject& object) {
    if (json) put(object.text() + "\n");
}

void Output::bytes(ByteView bytes) { put(text_of(bytes)); }

void Output::note(std::string_view text) {
    if (quiet) return;
    put_error(json ? JsonObject("note").add("note", text).text() + "\n" : fmt::format("{}\n", text));
}

void Output::warn(std::string_view text) {
    put_error(json ? JsonObject("warning").add("warning", text).text() + "\n" : fmt::format("ingot: warning: {}\n", text));
}

void Output::hint(std::string_view text) {
    put_error(json ? JsonObject("hint").add("hint", text).text() + "\n" : fmt::format("  hint: {}\n", text));
}

int Output::error(const Error& error) {
    const int exit = exit_code(error.code());
    if (json) {
        JsonObject object("error");
        object.add("code", code_name(error.code())).add("what", error.what()).add("hint", error.hint()).add("exit", exit);
        put_error(object.text() + "\n");
    } else {
        put_error(fmt::format("ingot: {}\n{}", error.what(), error.hint().empty() ? "" : "  hint: " + error.hint() + "\n"));
    }
    return exit;
}

void Output::finish() {
    errno = 0;
    if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
        const int error = errno != 0 ? errno : EIO;
        std::clearerr(stdout);
        throw Error::from_errno("writing to", "standard output", error);
    }
}

std::string counted(uint64_t count, std::string_view singular) {
    if (count == 1) return fmt::format("1 {}", singular);
    if (singular.ends_with("y")) return fmt::format("{} {}ies", count, singular.substr(0, singular.size() - 1));
    return fmt::format("{} {}s", count, singular);
}

}  // namespace ingot
