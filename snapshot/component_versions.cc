#include "snapshot/component_versions.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"

namespace ingot {
namespace {

std::string text_of_fact(const Fact& fact) {
    return std::visit([](const auto& value) { return fmt::format("{}", value); }, fact);
}

}  // namespace

std::string live_version(const Stack& stack, const VersionSpec& spec, int64_t limit_ms) {
    if (!spec.command.empty())
        return first_line_of(spec.command, stack.root, fmt::format("the command of {}", spec.name), limit_ms);
    const auto driver = std::ranges::find_if(stack.sources, [&](const auto& each) { return each->spec().name == spec.source; });
    if (driver == stack.sources.end()) throw Error(Code::failed, fmt::format("there is no source {}", spec.source));
    return text_of_fact((*driver)->ask_live(spec.query));
}

std::string pinned_version(const VersionSpec& spec, const Facts& facts) {
    const auto found = facts.find(spec.fact);
    return spec.fact.empty() || found == facts.end() ? std::string() : text_of_fact(found->second);
}

}  // namespace ingot
