#include "cli/nearest.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

namespace ingot {

size_t edit_distance(std::string_view a, std::string_view b) {
    // Words are short; what is not a word is not compared letter by letter.
    constexpr size_t kLongestWord = 64;
    if (a.size() > kLongestWord || b.size() > kLongestWord) return std::max(a.size(), b.size());
    const auto lower = [](char c) { return std::tolower(static_cast<unsigned char>(c)); };
    std::vector<size_t> before_last(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
    for (size_t j = 0; j <= b.size(); ++j) last[j] = j;
    for (size_t i = 1; i <= a.size(); ++i) {
        row[0] = i;
        for (size_t j = 1; j <= b.size(); ++j) {
            const bool same = lower(a[i - 1]) == lower(b[j - 1]);
            row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (same ? 0 : 1)});
            if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) && lower(a[i - 2]) == lower(b[j - 1])) {
                row[j] = std::min(row[j], before_last[j - 2] + 1);
            }
        }
        before_last.swap(last);
        last.swap(row);
    }
    return last[b.size()];
}

std::optional<std::string> nearest(std::string_view word, const std::vector<std::string>& known) {
    std::optional<std::string> best;
    size_t best_distance = SIZE_MAX;
    for (const std::string& candidate : known) {
        const size_t distance = edit_distance(word, candidate);
        const size_t forgiven = std::max<size_t>(1, std::max(word.size(), candidate.size()) / 3);
        if (distance <= forgiven && distance < best_distance) {
            best = candidate;
            best_distance = distance;
        }
    }
    return best;
}

std::string did_you_mean(std::string_view word, const std::vector<std::string>& known) {
    const std::optional<std::string> best = nearest(word, known);
    return best ? fmt::format("; did you mean `{}`?", *best) : std::string();
}

}  // namespace ingot
