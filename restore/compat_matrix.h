// A compatibility matrix in Markdown, read as it stands: which versions go together.
//
//   | App    | Schema | Status           |     a row is a case; its status is fine, a warning or a refusal
//   (restore/compat_words.h)
//   |--------|--------|------------------|
//   | 2.x    | >=40   | ✅ OK            |
//   | 1.x    | 30-39  | ⚠️ needs re-index |
//   | *      | <30    | INCOMPATIBLE     |
//
//   | App \ Schema | 40 | 41 |               a grid: the second component's versions are headers, the cells are statuses. Headers
//   |--------------|----|----|               such as "Schema 40" say by themselves what they are about
//   | 2.x          | ❌ | ✅ |
//
//   | App | Postgres | Qdrant |              no status at all: what is listed goes together
//
// Columns are found by their headers, whatever their order; those that nobody knows are left out. The first row that fits
// decides. A blank in the first column means the cell above it, any other blank any version (restore/version_pattern.h). Where a
// document has several such tables each is asked, and the worst answer counts. No row fits: a warning.
//
// Thread safety: const members from any thread. Errors: none; any bytes are taken.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "restore/compat_words.h"
#include "restore/version_pattern.h"

namespace ingot {

struct MatrixAnswer {
    Verdict verdict = Verdict::fine;
    int line = 0;     // of the row; 0: no row says it
    std::string why;  // "line 7: application 1.x with schema <30: INCOMPATIBLE"
};

class CompatMatrix {
public:
    static CompatMatrix parse(std::string_view markdown, const std::vector<MatrixComponent>& components);

    // False: there is no table in it that says what goes together.
    bool usable() const { return !tables_.empty(); }
    // Columns and cells that were left out, for who wrote the matrix.
    const std::vector<std::string>& notes() const { return notes_; }
    // What the columns are about: "application", "schema".
    std::vector<std::string> components() const;

    // `versions` by component; an empty one is not known. The worst answer of all tables.
    MatrixAnswer judge(const std::map<std::string, std::string>& versions) const;

private:
    struct Cell {
        std::string text;
        std::optional<VersionPattern> pattern;  // none: prose
    };
    struct Case {
        int line = 0;
        std::map<std::string, Cell> wanted;  // by component
        std::optional<Verdict> verdict;      // none: the status is not understood
        std::string status;
    };
    struct Table {
        int line = 0;
        std::vector<std::string> components;
        std::vector<Case> cases;
    };

    static Cell cell_of(const std::string& text);
    static std::string told(const Case& which);
    static Fit fits(const Case& which, const std::map<std::string, std::string>& versions);
    static MatrixAnswer judge(const Table& table, const std::map<std::string, std::string>& versions);

    std::vector<Table> tables_;
    std::vector<std::string> notes_;

    friend class MatrixReader;
};

}  // namespace ingot
