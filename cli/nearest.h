// "Did you mean ...?": the known word nearest to a mistyped one.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ingot {

// Damerau's edit distance with adjacent transpositions (optimal string alignment), letter case ignored.
size_t edit_distance(std::string_view a, std::string_view b);

// The nearest of `known`, where it is near enough to be meant: at most a third of the longer word's letters differ, and at
// least one edit is always forgiven.
std::optional<std::string> nearest(std::string_view word, const std::vector<std::string>& known);

// "; did you mean `key_file`?" or nothing, to be put behind an error.
std::string did_you_mean(std::string_view word, const std::vector<std::string>& known);

}  // namespace ingot
