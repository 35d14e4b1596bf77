#include "restore/version_pattern.h"

#include <algorithm>
#include <array>
#include <utility>

namespace ingot {
namespace {

// Cells are short; what is longer is prose, or an attack on the time that looking for words takes.
constexpr size_t kMostCellBytes = 400;
// Stands behind a version in the place of "or earlier".
constexpr char kOrEarlier = '\1';

bool is_digit(char c) { return c >= '0' && c <= '9'; }

void replace_all(std::string& text, std::string_view from, std::string_view to) {
    for (size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
        text.replace(at, from.size(), to);
}

bool take(std::string_view& text, std::string_view start) {
    if (!text.starts_with(start)) return false;
    text.remove_prefix(start.size());
    return true;
}

bool is_any(std::string_view text) {
    static constexpr std::array<std::string_view, 11> kAny = {"",   "*",   "x",  "any",         "all",         "-",
                                                              "--", "n/a", "na", "any version", "all versions"};
    return std::find(kAny.begin(), kAny.end(), text) != kAny.end();
}

// "1.2-1.4" and "40-45": two numbers of the same shape that rise. "2024-05" does not.
size_t tight_range(std::string_view term) {
    const size_t dash = term.find('-');
    if (dash == std::string_view::npos || dash == 0 || term.find('-', dash + 1) != std::string_view::npos) return 0;
    const std::string_view from = term.substr(0, dash), to = term.substr(dash + 1);
    const auto plain = [](std::string_view text) {
        return !text.empty() && is_digit(text.back()) &&
               std::all_of(text.begin(), text.end(), [](char c) { return is_digit(c) || c == '.'; });
    };
    if (!plain(from) || !plain(to) || std::count(from.begin(), from.end(), '.') != std::count(to.begin(), to.end(), '.'))
        return 0;
    return compare_versions(parse_version(to), parse_version(from)) > 0 ? dash : 0;
}

// Signs and words that mean the same, written one way; ';' between alternatives, blanks between bounds.
std::string normal(std::string_view cell) {
    std::string text = lower_case(cell);
    static constexpr std::array<std::pair<std::string_view, std::string_view>, 20> kSigns = {
        {{"≥", ">="},   {"≤", "<="},       {"≠", "!="},    {"=>", ">="}, {"=<", "<="}, {"\xc2\xa0", " "}, {"\xef\xb8\x8f", ""},
         {"\1", ""},    {" – ", " - "},    {" — ", " - "}, {"–", "-"},   {"—", "-"},   {"…", ".."},       {"...", ".."},
         {"..", " - "}, {" onwards", "+"}, {"||", ";"},    {"&&", ","},  {" / ", ";"}, {" | ", ";"}}};
    for (const auto& [from, to] : kSigns) replace_all(text, from, to);
    for (const char* word : {"later", "newer", "above", "higher", "greater", "up"}) {
        for (const char* joint : {" or ", " and "}) replace_all(text, std::string(joint) + word, "+");
    }
    for (const char* word : {"earlier", "older", "below", "lower"}) {
        for (const char* joint : {" or ", " and "}) replace_all(text, std::string(joint) + word, std::string(1, kOrEarlier));
    }
    replace_all(text, " or ", ";");
    replace_all(text, " and ", ",");
    // A remark behind the version: "15.x (LTS)".
    while (text.ends_with(')') && text.rfind('(') != std::string::npos && text.rfind('(') > 0) {
        text = std::string(trimmed(std::string_view(text).substr(0, text.rfind('('))));
    }
    return std::string(trimmed(text));
}

}  // namespace

bool VersionPattern::parse_term(std::string_view given, All& out) {
    std::string_view text = trimmed(given);
    if (text.empty()) return false;
    for (const std::string_view range : {std::string_view(" - "), std::string_view(" to ")}) {
        const size_t at = text.find(range);
        if (at == std::string_view::npos || text.starts_with("up to ")) continue;
        All from, to;
        if (!parse_term(text.substr(0, at), from) || !parse_term(text.substr(at + range.size()), to)) return false;
        if (from.size() != 1 || to.size() != 1 || from[0].op != Op::equal || to[0].op != Op::equal) return false;
        out.push_back({Op::at_least, from[0].version});
        out.push_back({Op::at_most, to[0].version});
        return true;
    }
    if (const size_t dash = tight_range(text); dash != 0) {
        out.push_back({Op::at_least, parse_version(text.substr(0, dash))});
        out.push_back({Op::at_most, parse_version(text.substr(dash + 1))});
        return true;
    }
    enum class Series : uint8_t { none, caret, tilde, last };
    Series series = Series::none;
    Op op = Op::equal;
    if (take(text, ">=") || take(text, "from ") || take(text, "since ")) {
        op = Op::at_least;
    } else if (take(text, "<=") || take(text, "up to ") || take(text, "until ")) {
        op = Op::at_most;
    } else if (take(text, "!=")) {
        op = Op::differs;
    } else if (take(text, ">") || take(text, "after ")) {
        op = Op::more;
    } else if (take(text, "<") || take(text, "before ")) {
        op = Op::less;
    } else if (take(text, "~>") || take(text, "~=")) {
        series = Series::last;
    } else if (take(text, "^")) {
        series = Series::caret;
    } else if (take(text, "~")) {
        series = Series::tilde;
    } else if (take(text, "==") || take(text, "=")) {
        op = Op::equal;
    }
    text = trimmed(text);
    if (op == Op::equal && series == Series::none) {
        if (text.ends_with('+')) op = Op::at_least, text.remove_suffix(1);
        if (text.ends_with(kOrEarlier)) op = Op::at_most, text.remove_suffix(1);
        text = trimmed(text);
    }
    // "1.2.x" says as much as "1.2".
    while (text.ends_with(".x") || text.ends_with(".*")) text.remove_suffix(2);
    if (text.empty() || text.find_first_of("<>=~^;,") != std::string_view::npos) return false;
    Version version = parse_version(text);
    const bool number = !version.numbers.empty();
    if (!number && (op != Op::equal || series != Series::none)) return false;                     // ">=main"
    if (text.find(' ') != std::string_view::npos && (!number || version.labelled)) return false;  // prose
    if (series != Series::none) {
        Version whole = version;
        size_t keep = 1;
        if (series == Series::caret) {
            while (keep < whole.numbers.size() && whole.numbers[keep - 1] == 0) ++keep;
        } else if (series == Series::tilde) {
            keep = std::min<size_t>(2, whole.numbers.size());
        } else {
            keep = std::max<size_t>(1, whole.numbers.size() - 1);
        }
        whole.numbers.resize(keep);
        whole.prerelease.clear();
        whole.text = "\n";  // no version's: only the numbers count
        out.push_back({Op::at_least, std::move(version)});
        out.push_back({Op::equal, std::move(whole)});
        return true;
    }
    out.push_back({op, std::move(version)});
    return true;
}

bool VersionPattern::is_lower(const All& terms) {
    return terms.size() == 1 && (terms[0].op == Op::more || terms[0].op == Op::at_least);
}

bool VersionPattern::is_upper(const All& terms) {
    return terms.size() == 1 && (terms[0].op == Op::less || terms[0].op == Op::at_most);
}

// ">=1.2, <2" is one range. As alternatives the two would hold every version, which nobody means; "<1.2, >=2" leaves a gap and is
// two.
bool VersionPattern::belong_together(const All& a, const All& b) {
    if (is_lower(a) && is_upper(b)) return compare_versions(a[0].version, b[0].version) <= 0;
    if (is_upper(a) && is_lower(b)) return compare_versions(b[0].version, a[0].version) <= 0;
    // "!=" narrows what stands beside it.
    return b.size() == 1 && b[0].op == Op::differs;
}

std::optional<VersionPattern> VersionPattern::parse(std::string_view cell) {
    VersionPattern out;
    if (cell.size() > kMostCellBytes) return std::nullopt;
    const std::string text = normal(cell);
    if (is_any(text)) return out;
    for (size_t from = 0; from <= text.size();) {
        const size_t end = std::min(text.find(';', from), text.size());
        std::vector<All> group;
        for (size_t at = from; at <= end;) {
            // A comma parts terms, and so does a blank before an operator.
            size_t stop = std::min(text.find(',', at), end);
            const size_t first = text.find_first_not_of(" <>=!~^", at);
            for (const char* sign : {" <", " >", " !", " ^", " ~"}) {
                const size_t bound = text.find(sign, first == std::string::npos ? at : first);
                if (bound != std::string::npos) stop = std::min(stop, bound);
            }
            const std::string_view term = trimmed(std::string_view(text).substr(at, stop - at));
            at = stop + 1;
            if (term.empty() && stop == end) break;
            if (is_any(term) && !term.empty()) return VersionPattern();
            All parsed;
            // "1.2/1.4", but not "release/1.2"
            const size_t slash = term.find('/');
            if (slash != std::string_view::npos && slash > 0 && is_digit(term[slash - 1]) && slash + 1 < term.size() &&
                (is_digit(term[slash + 1]) || term[slash + 1] == 'v')) {
                All second;
                if (!parse_term(term.substr(0, slash), parsed) || !parse_term(term.substr(slash + 1), second))
                    return std::nullopt;
                group.push_back(std::move(parsed));
                group.push_back(std::move(second));
                continue;
            }
            if (!parse_term(term, parsed)) return std::nullopt;
            if (!group.empty() && belong_together(group.back(), parsed)) {
                group.back().insert(group.back().end(), parsed.begin(), parsed.end());
            } else {
                group.push_back(std::move(parsed));
            }
        }
        out.alternatives_.insert(out.alternatives_.end(), group.begin(), group.end());
        from = end + 1;
    }
    if (out.alternatives_.empty()) return std::nullopt;
    return out;
}

Fit VersionPattern::fits(const Term& term, const Version& version) {
    const auto answer = [](bool yes) { return yes ? Fit::yes : Fit::no; };
    const Version& wanted = term.version;
    if (term.op == Op::equal && wanted.text == version.text) return Fit::yes;
    if (term.op == Op::differs && wanted.text == version.text) return Fit::no;
    if (wanted.numbers.empty() || wanted.labelled) return answer(term.op == Op::differs);
    if (version.numbers.empty()) return Fit::unknown;
    const int order = compare_versions(version, wanted);
    switch (term.op) {
        case Op::equal:
            return answer(order == 0);
        case Op::differs:
            return answer(order != 0);
        case Op::less:
            return answer(order < 0);
        case Op::at_most:
            return answer(order <= 0);
        case Op::more:
            return answer(order > 0);
        case Op::at_least:
            return answer(order >= 0);
    }
    return Fit::unknown;
}

Fit VersionPattern::fits(std::string_view given) const {
    if (any()) return Fit::yes;
    const Version version = parse_version(given);
    Fit best = Fit::no;
    for (const All& all : alternatives_) {
        Fit here = Fit::yes;
        for (const Term& term : all) {
            const Fit one = fits(term, version);
            if (one == Fit::no || (one == Fit::unknown && here == Fit::yes)) here = one;
            if (here == Fit::no) break;
        }
        if (here == Fit::yes) return Fit::yes;
        if (here == Fit::unknown) best = Fit::unknown;
    }
    return best;
}

}  // namespace ingot
