#include "snapshot/invariants.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "base/error.h"

namespace ingot {
namespace {

std::string shown(const Fact& fact) {
    if (const auto* integer = std::get_if<int64_t>(&fact)) return std::to_string(*integer);
    if (const auto* number = std::get_if<double>(&fact)) return fmt::format("{}", *number);
    return fmt::format("\"{}\"", printable(std::get<std::string>(fact)));
}

bool equal(const Fact& a, const Fact& b) {
    if (a.index() == b.index()) return a == b;
    const auto* text_a = std::get_if<std::string>(&a);
    const auto* text_b = std::get_if<std::string>(&b);
    if (text_a != nullptr || text_b != nullptr) return false;
    const auto* whole = std::get_if<int64_t>(&a);
    const double number = std::get<double>(whole != nullptr ? b : a);
    if (whole == nullptr) whole = std::get_if<int64_t>(&b);
    // Beyond 2^53 a double holds no single whole number: then they are told apart by the whole one.
    return number >= -9.2e18 && number <= 9.2e18 && static_cast<int64_t>(number) == *whole &&
           static_cast<double>(static_cast<int64_t>(number)) == number;
}

// The fact, or why it is not to be had.
const Fact* find_fact(const Manifest& manifest, const std::string& text, std::string& why_not) {
    const FactName name = fact_name(text);
    const ManifestSource* source = manifest.find(name.source);
    if (source == nullptr) {
        why_not = fmt::format("the snapshot has no source {}", printable(name.source));
        return nullptr;
    }
    const auto found = source->facts.find(name.fact);
    if (found != source->facts.end()) return &found->second;
    if (source->facts.empty()) {
        why_not = fmt::format("{} gave no facts: it is {}", name.source, to_string(source->status));
        return nullptr;
    }
    std::string has;
    for (const auto& [each, fact] : source->facts) has += (has.empty() ? "" : ", ") + printable(each);
    why_not = fmt::format("{} has no fact {} (it has: {})", name.source, printable(name.fact), has);
    return nullptr;
}

std::string title(const InvariantSpec& invariant) { return fmt::format("the invariant \"{}\"", printable(invariant.name)); }

std::string unequal(const InvariantSpec& invariant, const Fact& left, const Fact& right, const char* where) {
    return fmt::format("{} does not hold{}: {} is {} and {} is {}", title(invariant), where, printable(invariant.left),
                       shown(left), printable(invariant.right), shown(right));
}

}  // namespace

FactName fact_name(const std::string& text) {
    const size_t dot = text.find('.');
    if (dot == std::string::npos || dot == 0 || dot + 1 == text.size()) return {};
    return {text.substr(0, dot), text.substr(dot + 1)};
}

std::vector<std::string> broken_invariants(const std::vector<InvariantSpec>& invariants, const Manifest& manifest) {
    std::vector<std::string> out;
    for (const InvariantSpec& each : invariants) {
        std::string why_not;
        const Fact* left = find_fact(manifest, each.left, why_not);
        const Fact* right = left == nullptr ? nullptr : find_fact(manifest, each.right, why_not);
        if (right == nullptr) {
            out.push_back(fmt::format("{} cannot be checked: {}", title(each), why_not));
        } else if (!equal(*left, *right)) {
            out.push_back(unequal(each, *left, *right, ""));
        }
    }
    return out;
}

std::vector<std::string> broken_in_artifacts(const std::vector<InvariantSpec>& invariants,
                                             const std::map<std::string, Facts>& facts_of_source) {
    const auto find = [&](const std::string& text) -> const Fact* {
        const FactName name = fact_name(text);
        const auto source = facts_of_source.find(name.source);
        if (source == facts_of_source.end()) return nullptr;
        const auto fact = source->second.find(name.fact);
        return fact == source->second.end() ? nullptr : &fact->second;
    };
    std::vector<std::string> out;
    for (const InvariantSpec& each : invariants) {
        const Fact *left = find(each.left), *right = find(each.right);
        if (left == nullptr || right == nullptr || equal(*left, *right)) continue;
        out.push_back(unequal(each, *left, *right, " in what was read back"));
    }
    return out;
}

Facts invariants_as_evidence(const std::vector<InvariantSpec>& invariants, const Manifest& manifest) {
    Facts out;
    for (const InvariantSpec& each : invariants) {
        std::string why_not;
        const Fact* left = find_fact(manifest, each.left, why_not);
        out[each.name] = left == nullptr ? why_not : fmt::format("{} = {} = {}", each.left, each.right, shown(*left));
    }
    return out;
}

}  // namespace ingot
