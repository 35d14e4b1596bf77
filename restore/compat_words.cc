#include "restore/compat_words.h"

#include <algorithm>
#include <array>
#include <utility>

#include "restore/version.h"

namespace ingot {
namespace {

struct StatusWord {
    std::string_view word;
    Verdict verdict;
};

// Signs stand for themselves wherever they are; those that are drawn in two widths come without the second half.
constexpr std::array<StatusWord, 33> kSigns = {{{"✅", Verdict::fine},
                                                {"✔", Verdict::fine},
                                                {"✓", Verdict::fine},
                                                {"☑", Verdict::fine},
                                                {"🟢", Verdict::fine},
                                                {"👍", Verdict::fine},
                                                {"🆗", Verdict::fine},
                                                {":white_check_mark:", Verdict::fine},
                                                {":heavy_check_mark:", Verdict::fine},
                                                {":ballot_box_with_check:", Verdict::fine},
                                                {":green_circle:", Verdict::fine},
                                                {"[x]", Verdict::fine},
                                                {"⚠", Verdict::warning},
                                                {"🟡", Verdict::warning},
                                                {"🟠", Verdict::warning},
                                                {"❗", Verdict::warning},
                                                {"❓", Verdict::warning},
                                                {"🚧", Verdict::warning},
                                                {":warning:", Verdict::warning},
                                                {":construction:", Verdict::warning},
                                                {":yellow_circle:", Verdict::warning},
                                                {"❌", Verdict::refused},
                                                {"✗", Verdict::refused},
                                                {"✘", Verdict::refused},
                                                {"✖", Verdict::refused},
                                                {"⛔", Verdict::refused},
                                                {"🚫", Verdict::refused},
                                                {"🔴", Verdict::refused},
                                                {"🛑", Verdict::refused},
                                                {":x:", Verdict::refused},
                                                {":no_entry:", Verdict::refused},
                                                {":red_circle:", Verdict::refused},
                                                {"[ ]", Verdict::refused}}};

constexpr std::array<StatusWord, 44> kStatusWords = {{{"ok", Verdict::fine},
                                                      {"okay", Verdict::fine},
                                                      {"yes", Verdict::fine},
                                                      {"y", Verdict::fine},
                                                      {"true", Verdict::fine},
                                                      {"compatible", Verdict::fine},
                                                      {"supported", Verdict::fine},
                                                      {"full", Verdict::fine},
                                                      {"fully", Verdict::fine},
                                                      {"works", Verdict::fine},
                                                      {"tested", Verdict::fine},
                                                      {"pass", Verdict::fine},
                                                      {"passed", Verdict::fine},
                                                      {"stable", Verdict::fine},
                                                      {"current", Verdict::fine},
                                                      {"recommended", Verdict::fine},
                                                      {"production", Verdict::fine},
                                                      {"good", Verdict::fine},
                                                      {"warn", Verdict::warning},
                                                      {"warning", Verdict::warning},
                                                      {"partial", Verdict::warning},
                                                      {"partially", Verdict::warning},
                                                      {"deprecated", Verdict::warning},
                                                      {"untested", Verdict::warning},
                                                      {"unknown", Verdict::warning},
                                                      {"unverified", Verdict::warning},
                                                      {"experimental", Verdict::warning},
                                                      {"limited", Verdict::warning},
                                                      {"caution", Verdict::warning},
                                                      {"legacy", Verdict::warning},
                                                      {"maybe", Verdict::warning},
                                                      {"beta", Verdict::warning},
                                                      {"planned", Verdict::warning},
                                                      {"degraded", Verdict::warning},
                                                      {"incompatible", Verdict::refused},
                                                      {"unsupported", Verdict::refused},
                                                      {"broken", Verdict::refused},
                                                      {"fail", Verdict::refused},
                                                      {"fails", Verdict::refused},
                                                      {"failed", Verdict::refused},
                                                      {"blocked", Verdict::refused},
                                                      {"refused", Verdict::refused},
                                                      {"breaking", Verdict::refused},
                                                      {"false", Verdict::refused}}};

constexpr std::array<std::string_view, 2> kStatusColumn = {"status", "verdict"};
constexpr std::array<std::string_view, 10> kWeakStatusColumn = {
    "compatible", "compatibility", "compat", "supported", "support", "works", "ok", "result", "state", "tested"};
constexpr std::array<std::string_view, 16> kRemarkColumn = {"note",   "notes",    "comment", "comments", "remark",  "remarks",
                                                            "date",   "released", "link",    "links",    "details", "description",
                                                            "reason", "eol",      "owner",   "ticket"};
constexpr std::array<std::string_view, 3> kVersionColumn = {"version", "versions", "tag"};

template <size_t N>
bool is_in(const std::array<std::string_view, N>& words, std::string_view word) {
    return std::find(words.begin(), words.end(), word) != words.end();
}

// A word's bytes; beyond ASCII every byte is one.
bool is_word_byte(char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '.' || static_cast<unsigned char>(c) >= 0x80;
}

std::vector<std::string> words_of(std::string_view text) {
    std::vector<std::string> out;
    std::string word;
    for (const char c : lower_case(text) + " ") {
        if (is_word_byte(c)) {
            word += c;
        } else if (!word.empty()) {
            out.push_back(std::exchange(word, {}));
        }
    }
    return out;
}

std::optional<Verdict> sign_at(std::string_view text) {
    for (const StatusWord& sign : kSigns) {
        if (text.starts_with(sign.word)) return sign.verdict;
    }
    return std::nullopt;
}

std::optional<Verdict> word_verdict(std::string_view word) {
    const auto found =
        std::find_if(kStatusWords.begin(), kStatusWords.end(), [&](const StatusWord& w) { return w.word == word; });
    return found == kStatusWords.end() ? std::nullopt : std::optional(found->verdict);
}

// "no" says no where it stands alone or before a mark: not in "no known issues".
bool is_plain_no(std::string_view text, std::string_view word, size_t end) {
    if (word != "no" && word != "n") return false;
    while (end < text.size() && text[end] == ' ') ++end;
    return end == text.size() || std::string_view(",.;:(-!\xe2").find(text[end]) != std::string_view::npos;
}

// The header without those words: ">=1.19" of "Qdrant version >=1.19".
template <class Test>
std::string without_words(std::string_view header, const Test& dropped) {
    std::string out;
    for (size_t at = 0; at < header.size();) {
        const size_t end = std::min(header.find(' ', at), header.size());
        const std::string_view token = header.substr(at, end - at);
        const std::vector<std::string> words = words_of(token);
        if (!words.empty() && !std::all_of(words.begin(), words.end(), dropped))
            out += (out.empty() ? "" : " ") + std::string(token);
        at = end + 1;
    }
    return out;
}

}  // namespace

const char* to_string(Verdict verdict) {
    static constexpr std::array kNames = {"fine", "warning", "refused"};
    return kNames.at(static_cast<size_t>(verdict));
}

std::optional<Verdict> verdict_of(std::string_view cell) {
    const std::string text = lower_case(cell);
    bool negated = false;
    for (size_t at = 0; at < text.size();) {
        if (const auto sign = sign_at(std::string_view(text).substr(at))) return sign;
        size_t end = at;
        while (end < text.size() && text[end] >= 'a' && text[end] <= 'z') ++end;
        if (end == at) {
            ++at;
            continue;
        }
        const std::string_view word = std::string_view(text).substr(at, end - at);
        if (is_plain_no(text, word, end)) return Verdict::refused;
        if (word == "not" || word == "non" || word == "never") {
            negated = true;
        } else if (const auto verdict = word_verdict(word)) {
            // "not tested" is no refusal, and "not broken" no promise.
            if (!negated) return verdict;
            return *verdict == Verdict::fine && word != "tested" ? Verdict::refused : Verdict::warning;
        } else if (negated && word == "work") {
            return Verdict::refused;
        }
        at = end;
    }
    return std::nullopt;
}

std::vector<MatrixComponent> usual_components() {
    return {{"application", {"binary", "application", "app", "service", "release", "code", "backend", "image", "build"}},
            {"schema", {"schema", "database", "db", "migration", "migrations"}},
            {"collection", {"collection", "collections", "index", "vectors", "vectordb"}}};
}

ColumnRole role_of(std::string_view header, const std::vector<MatrixComponent>& components) {
    const std::vector<std::string> words = words_of(header);
    const auto any = [&](const auto& test) { return std::any_of(words.begin(), words.end(), test); };
    ColumnRole out;
    if (any([](const std::string& word) { return is_in(kStatusColumn, word); })) {
        out.kind = ColumnRole::Kind::status;
        return out;
    }
    // Of several that a header names, what is stored comes first: "Qdrant collection" is about the collection, "app schema" about
    // the schema, "Postgres image" about Postgres.
    for (const std::string_view name : {"collection", "schema", "", "application"}) {
        for (const MatrixComponent& component : components) {
            const bool usual = component.name == "collection" || component.name == "schema" || component.name == "application";
            if (name.empty() ? usual : component.name != name) continue;
            const auto is_ours = [&](const std::string& word) {
                return std::find(component.words.begin(), component.words.end(), word) != component.words.end();
            };
            if (!any(is_ours)) continue;
            out.kind = ColumnRole::Kind::component;
            out.component = component.name;
            out.rest =
                without_words(header, [&](const std::string& word) { return is_ours(word) || is_in(kVersionColumn, word); });
            return out;
        }
    }
    if (any([](const std::string& word) { return is_in(kWeakStatusColumn, word); })) {
        out.kind = ColumnRole::Kind::status;
    } else if (any([](const std::string& word) { return is_in(kRemarkColumn, word); })) {
        out.kind = ColumnRole::Kind::remark;
    } else if (any([](const std::string& word) { return is_in(kVersionColumn, word); })) {
        out.kind = ColumnRole::Kind::version;
    }
    return out;
}

}  // namespace ingot
