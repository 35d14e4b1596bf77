#include "restore/version.h"

#include <algorithm>
#include <array>

namespace ingot {
namespace {

// A number of more digits than this is text: 64 bits hold 19 of them, and a time stamp has 17.
constexpr size_t kMostDigits = 18;
// Versions are short; what is longer is an attack on the time that looking at it takes.
constexpr size_t kMostVersionBytes = 400;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return c >= 'a' && c <= 'z'; }

bool take(std::string_view& text, std::string_view start) {
    if (!text.starts_with(start)) return false;
    text.remove_prefix(start.size());
    return true;
}

// Letters before the first number that say what is counted: "v", "release-", "PostgreSQL ", "app/v". A commit's letters
// stand directly before its digits, and are none.
size_t prefix_length(std::string_view text) {
    size_t at = 0;
    while (at < text.size() && !is_digit(text[at])) ++at;
    if (at == 0 || at == text.size()) return 0;
    size_t end = at;
    if (text[end - 1] == 'v') --end;
    if (end == 0) return at;
    constexpr std::string_view kSeparators = "-_/ .@:";
    return kSeparators.find(text[end - 1]) != std::string_view::npos ? at : 0;
}

// "-3-gabc1234" and "-dirty", which git describe adds, and "+5": they do not count.
void drop_build(std::string_view& rest) {
    rest = rest.substr(0, rest.find('+'));
    if (rest.ends_with("-dirty")) rest.remove_suffix(6);
    const size_t g = rest.rfind("-g");
    if (g == std::string_view::npos || g == 0 || rest.size() - g < 6) return;
    const bool hex = std::all_of(rest.begin() + static_cast<std::ptrdiff_t>(g) + 2, rest.end(),
                                 [](char c) { return is_digit(c) || (c >= 'a' && c <= 'f'); });
    size_t digits = g;
    while (digits > 0 && is_digit(rest[digits - 1])) --digits;
    if (hex && digits < g && digits > 0 && rest[digits - 1] == '-') rest = rest.substr(0, digits - 1);
}

// "rc1", "-beta.2", "a1"; empty where it is something else.
std::string prerelease_of(std::string_view rest) {
    if (!rest.empty() && (rest.front() == '-' || rest.front() == '.')) rest.remove_prefix(1);
    static constexpr std::array<std::string_view, 11> kWords = {"alpha",    "beta", "rc", "preview", "pre", "dev",
                                                                "snapshot", "next", "a",  "b",       "c"};
    for (const std::string_view word : kWords) {
        std::string_view tail = rest;
        if (!take(tail, word)) continue;
        if (std::all_of(tail.begin(), tail.end(), [](char c) { return is_digit(c) || c == '.' || c == '-'; }))
            return std::string(rest);
    }
    return {};
}

}  // namespace

std::string_view trimmed(std::string_view text) {
    while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
    while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
    return text;
}

std::string lower_case(std::string_view text) {
    std::string out(text);
    for (char& c : out) {
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
        if (c == '\t' || c == '\n' || c == '\r') c = ' ';
    }
    return out;
}

int compare_versions(const Version& version, const Version& pattern) {
    for (size_t i = 0; i < pattern.numbers.size(); ++i) {
        const uint64_t a = i < version.numbers.size() ? version.numbers[i] : 0;
        if (a != pattern.numbers[i]) return a < pattern.numbers[i] ? -1 : 1;
    }
    // 1.5.0-rc1 is in 1.5, and before 1.5.0.
    if (version.numbers.size() > pattern.numbers.size() || version.prerelease == pattern.prerelease) return 0;
    if (version.prerelease.empty() || pattern.prerelease.empty()) return version.prerelease.empty() ? 1 : -1;
    return version.prerelease < pattern.prerelease ? -1 : 1;
}

Version parse_version(std::string_view given) {
    Version out;
    const std::string text = lower_case(trimmed(given.substr(0, kMostVersionBytes)));
    out.text = text.starts_with('v') && text.size() > 1 && is_digit(text[1]) ? text.substr(1) : text;
    std::string_view rest(text);
    rest.remove_prefix(prefix_length(rest));
    while (!rest.empty() && is_digit(rest.front())) {
        size_t digits = 0;
        uint64_t number = 0;
        while (digits < rest.size() && is_digit(rest[digits])) {
            if (digits < kMostDigits) number = number * 10 + static_cast<uint64_t>(rest[digits] - '0');
            ++digits;
        }
        if (digits > kMostDigits) {
            out.numbers.clear();
            return out;
        }
        out.numbers.push_back(number);
        rest.remove_prefix(digits);
        if (rest.size() < 2 || rest[0] != '.' || !is_digit(rest[1])) break;
        rest.remove_prefix(1);
    }
    if (out.numbers.empty()) return out;
    drop_build(rest);
    rest = trimmed(rest);
    if (rest.empty() || rest.front() == '(') return out;
    out.prerelease = prerelease_of(rest);
    if (!out.prerelease.empty()) return out;
    // "1234abc" is a commit; "15.8 Debian", "1.25-alpine" and "0001_initial" are numbers with a label.
    if (is_letter(rest.front()) && trimmed(text).find(' ') == std::string_view::npos) {
        out.numbers.clear();
    } else {
        out.labelled = true;
    }
    return out;
}

std::optional<uint64_t> major_of(std::string_view version) {
    const Version parsed = parse_version(version);
    return parsed.numbers.empty() ? std::nullopt : std::optional(parsed.numbers.front());
}

}  // namespace ingot
