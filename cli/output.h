// What a person or a program sees: results on standard output, all else on standard error.
//
//   text    lines and tables; on a pipe nothing but the result
//   --json  one JSON object a line, each with "message_type"; errors and notes too, on standard error
//
// Thread safety: note() and warn() from any thread; the rest from one.
// Errors: Error{failed} when standard output cannot be written to (a full disk behind `>`, a closed pipe).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "cli/json.h"

namespace ingot {

// Rows of cells under headings; columns as wide as their widest cell, two spaces apart.
class Table {
public:
    // A heading that starts with '>' makes its column flush right.
    explicit Table(std::vector<std::string> headings);
    void add(std::vector<std::string> cells);
    bool empty() const { return rows_.empty(); }
    std::string text() const;  // with a newline behind every row

private:
    std::vector<std::string> headings_;
    std::vector<bool> right_;
    std::vector<std::vector<std::string>> rows_;
};

class Output {
public:
    bool json = false;
    bool quiet = false;
    int verbosity = 0;

    // The result. line() is for people and does nothing under --json; object() the reverse.
    void line(std::string_view text);
    void table(const Table& table);
    void object(const JsonObject& object);
    // Raw bytes, in either mode (`cat`).
    void bytes(ByteView bytes);

    // For people, beside the result: not with --quiet.
    void note(std::string_view text);
    // Something is not as it should be, but the command goes on.
    void warn(std::string_view text);
    // What to do next, after warnings; an error brings its own.
    void hint(std::string_view text);
    // What ends the command. Returns its exit status.
    int error(const Error& error);

    // Throws when anything written to standard output was lost.
    void finish();
};

// "2 files", "1 file".
std::string counted(uint64_t count, std::string_view singular);

}  // namespace ingot
