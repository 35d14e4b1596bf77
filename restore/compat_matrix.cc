#include "restore/compat_matrix.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/error.h"
#include "restore/markdown_table.h"

namespace ingot {
namespace {

// A matrix is read by people too. What has more rows or columns is another document.
constexpr size_t kMostRows = 10'000, kMostColumns = 200;

using Kind = ColumnRole::Kind;

bool says(const std::optional<VersionPattern>& pattern) { return pattern && !pattern->any(); }

// "Min schema" and "Max schema" say a bound with every version below them.
std::string bound_of(std::string_view header) {
    const std::string text = lower_case(header);
    for (const char* word : {"minimum", "min ", "min.", "oldest", "lowest"}) {
        if (text.find(word) != std::string::npos) return ">=";
    }
    for (const char* word : {"maximum", "max ", "max.", "newest", "highest"}) {
        if (text.find(word) != std::string::npos) return "<=";
    }
    return {};
}

}  // namespace

// One table on its way into the matrix.
class MatrixReader {
public:
    MatrixReader(CompatMatrix& matrix, const MarkdownTable& table, const std::vector<MatrixComponent>& components)
        : matrix_(matrix), table_(table), all_(components) {
        for (const std::string& header : table.header.cells) roles_.push_back(role_of(header, components));
        status_ = roles_.size();
    }

    void read() {
        if (roles_.size() > kMostColumns || table_.rows.size() > kMostRows) return;
        find_grid();
        name_the_version_column();
        std::set<std::string> seen, bounds;
        for (size_t i = 0; i < roles_.size(); ++i) {
            if (roles_[i].kind == Kind::status && status_ == roles_.size()) status_ = i;
            if (roles_[i].kind != Kind::component || is_grid(i)) continue;
            const std::string& name = roles_[i].component;
            const std::string bound = bound_of(table_.header.cells[i]);
            if (!seen.insert(name).second && (bound.empty() || bounds.contains(name + bound) || !bounds.contains(name))) {
                return note(fmt::format("has two columns for the {}: it is left out", name));
            }
            if (!bound.empty()) bounds.insert({name, name + bound});
        }
        if (grid_.empty() ? seen.empty() || (status_ == roles_.size() && seen.size() < 2) : seen.empty()) return;
        for (size_t i = 0; i < roles_.size(); ++i) {
            if (roles_[i].kind != Kind::other && roles_[i].kind != Kind::version) continue;
            note(
                fmt::format("the column \"{}\" is of nothing that is known, and is left out", printable(table_.header.cells[i])));
        }
        out_.line = table_.header.line;
        for (const MarkdownRow& row : table_.rows) add(row);
        out_.components.assign(seen.begin(), seen.end());
        if (!grid_.empty()) out_.components.push_back(roles_[grid_.front()].component);
        if (!out_.cases.empty()) matrix_.tables_.push_back(std::move(out_));
    }

private:
    bool is_grid(size_t column) const { return std::find(grid_.begin(), grid_.end(), column) != grid_.end(); }
    void note(const std::string& what) { matrix_.notes_.push_back(fmt::format("line {}: {}", table_.header.line, what)); }

    // Columns whose headers are versions: of what they name themselves ("Schema 40"), or of what stands in the corner
    // ("App \ Schema").
    void find_grid() {
        for (size_t i = 0; i < roles_.size(); ++i) {
            if (roles_[i].kind == Kind::component && i > 0 && says(VersionPattern::parse(roles_[i].rest)) &&
                parse_version(roles_[i].rest).text.find_first_of("0123456789") != std::string::npos) {
                grid_.push_back(i);
                headers_[i] = roles_[i].rest;
            }
        }
        if (!grid_.empty() || roles_.size() < 2) return;
        const std::string& corner = table_.header.cells[0];
        for (const char* parting : {"\\", " / ", " × ", " vs ", " x ", "/", "→", "|"}) {
            const size_t at = corner.find(parting);
            if (at == std::string::npos) continue;
            const ColumnRole down = role_of(corner.substr(0, at), all_);
            const ColumnRole across = role_of(corner.substr(at + std::string_view(parting).size()), all_);
            if (down.kind != Kind::component || across.kind != Kind::component || down.component == across.component) continue;
            roles_[0] = down;
            for (size_t i = 1; i < roles_.size(); ++i) {
                if (roles_[i].kind != Kind::other || !VersionPattern::parse(table_.header.cells[i])) continue;
                grid_.push_back(i);
                headers_[i] = table_.header.cells[i];
                roles_[i] = across;
            }
            return;
        }
    }

    // "MyTool version", where nothing else is the application's.
    void name_the_version_column() {
        const auto is_version = [](const ColumnRole& role) { return role.kind == Kind::version; };
        if (std::count_if(roles_.begin(), roles_.end(), is_version) != 1) return;
        for (const ColumnRole& role : roles_) {
            if (role.kind == Kind::component && role.component == "application") return;
        }
        ColumnRole& found = *std::find_if(roles_.begin(), roles_.end(), is_version);
        found.kind = Kind::component;
        found.component = "application";
    }

    void add(const MarkdownRow& row) {
        CompatMatrix::Case one;
        one.line = row.line;
        const bool blank = std::all_of(row.cells.begin(), row.cells.end(), [](const std::string& cell) { return cell.empty(); });
        if (blank) return;
        for (size_t i = 0; i < roles_.size(); ++i) {
            if (roles_[i].kind != Kind::component || is_grid(i)) continue;
            std::string text = row.cells[i];
            if (i == 0 && text.empty()) text = above_;
            if (i == 0) above_ = text;
            CompatMatrix::Cell& cell = one.wanted[roles_[i].component];
            const std::string bound = bound_of(table_.header.cells[i]);
            if (!bound.empty() && says(VersionPattern::parse(bound + text))) text = bound + text;
            if (cell.pattern && !cell.pattern->any())
                text = says(VersionPattern::parse(text)) ? cell.text + " " + text : cell.text;
            cell = CompatMatrix::cell_of(text);
            if (!cell.pattern) {
                matrix_.notes_.push_back(fmt::format("line {}: \"{}\" is no version", row.line, printable(text)));
            }
        }
        if (grid_.empty()) {
            one.verdict = Verdict::fine;
            if (status_ < roles_.size()) judge_by(one, row.cells[status_]);
            out_.cases.push_back(std::move(one));
            return;
        }
        for (const size_t column : grid_) {
            CompatMatrix::Case each = one;
            each.wanted[roles_[column].component] = CompatMatrix::cell_of(headers_[column]);
            judge_by(each, row.cells[column]);
            out_.cases.push_back(std::move(each));
        }
    }

    void judge_by(CompatMatrix::Case& one, const std::string& status) {
        one.status = status;
        one.verdict = verdict_of(status);
        if (one.verdict) return;
        matrix_.notes_.push_back(fmt::format("line {}: the status \"{}\" is not understood", one.line, printable(status)));
    }

    CompatMatrix& matrix_;
    const MarkdownTable& table_;
    const std::vector<MatrixComponent>& all_;
    std::vector<ColumnRole> roles_;
    std::vector<size_t> grid_;               // columns whose cells are statuses
    std::map<size_t, std::string> headers_;  // of those, the version
    size_t status_ = 0;                      // the number of columns: there is none
    std::string above_;
    CompatMatrix::Table out_;
};

CompatMatrix CompatMatrix::parse(std::string_view markdown, const std::vector<MatrixComponent>& components) {
    CompatMatrix out;
    for (const MarkdownTable& table : markdown_tables(markdown)) MatrixReader(out, table, components).read();
    return out;
}

CompatMatrix::Cell CompatMatrix::cell_of(const std::string& text) { return {text, VersionPattern::parse(text)}; }

std::vector<std::string> CompatMatrix::components() const {
    std::set<std::string> names;
    for (const Table& table : tables_) names.insert(table.components.begin(), table.components.end());
    return {names.begin(), names.end()};
}

std::string CompatMatrix::told(const Case& which) {
    std::string out;
    for (const auto& [component, cell] : which.wanted) {
        if (cell.pattern && cell.pattern->any()) continue;
        out += fmt::format("{}{} {}", out.empty() ? "" : " with ", component, cell.text);
    }
    if (out.empty()) out = "any versions";
    return printable(which.status.empty() ? out : out + ": " + which.status);
}

Fit CompatMatrix::fits(const Case& which, const std::map<std::string, std::string>& versions) {
    Fit out = Fit::yes;
    for (const auto& [component, cell] : which.wanted) {
        const auto known = versions.find(component);
        Fit one = Fit::unknown;
        if (cell.pattern && cell.pattern->any()) {
            one = Fit::yes;
        } else if (cell.pattern && known != versions.end() && !known->second.empty()) {
            one = cell.pattern->fits(known->second);
        }
        if (one == Fit::no) return Fit::no;
        if (one == Fit::unknown) out = Fit::unknown;
    }
    return out;
}

MatrixAnswer CompatMatrix::judge(const Table& table, const std::map<std::string, std::string>& versions) {
    const Case* maybe = nullptr;  // the worst row that may fit, before the one that does
    for (const Case& each : table.cases) {
        const Fit fit = fits(each, versions);
        if (fit == Fit::no) continue;
        const Verdict verdict = each.verdict.value_or(Verdict::warning);
        if (fit == Fit::unknown) {
            if (maybe == nullptr || verdict > maybe->verdict.value_or(Verdict::warning)) maybe = &each;
            continue;
        }
        if (maybe != nullptr && maybe->verdict.value_or(Verdict::warning) > verdict) break;
        return {verdict, each.line, fmt::format("line {}: {}", each.line, told(each))};
    }
    if (maybe != nullptr) {
        return {Verdict::warning, maybe->line,
                fmt::format("it cannot be told whether line {} applies ({})", maybe->line, told(*maybe))};
    }
    return {Verdict::warning, 0, fmt::format("the table in line {} has no row for these versions", table.line)};
}

MatrixAnswer CompatMatrix::judge(const std::map<std::string, std::string>& versions) const {
    MatrixAnswer worst;
    for (const Table& table : tables_) {
        MatrixAnswer one = judge(table, versions);
        if (&table == &tables_.front() || one.verdict > worst.verdict) worst = std::move(one);
    }
    return worst;
}

}  // namespace ingot
