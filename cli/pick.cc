#include "cli/pick.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/error.h"

namespace ingot {

std::vector<Snapshot> all_snapshots(Invocation& run, Repository& repository) {
    return load_snapshots(repository, "", [&](const std::string& line) { run.out.warn(line); });
}

std::string wanted_stack(Invocation& run) {
    if (!run.arguments.stack.empty()) return run.arguments.stack;
    const Settings& settings = run.settings();
    return settings.config && settings.repository_from_config ? settings.config->stack_name : "";
}

static bool is_id(const std::string& which) {
    return which.size() >= 4 && which.find_first_not_of("0123456789abcdefABCDEF") == std::string::npos;
}

Picked pick(const std::vector<Snapshot>& snapshots, const Choice& choice, const std::string& stack) {
    std::vector<Snapshot> candidates;
    std::set<std::string> stacks;
    const bool any_stack = is_id(choice.which) && !choice.at_ms;
    for (const Snapshot& snapshot : snapshots) {
        if (!any_stack && !stack.empty() && snapshot.manifest.stack != stack) continue;
        candidates.push_back(snapshot);
        stacks.insert(snapshot.manifest.stack);
    }
    if (!any_stack && stacks.size() > 1) {
        throw Error(Code::usage, fmt::format("the repository holds snapshots of several stacks: {}", fmt::join(stacks, ", ")),
                    "say which one with --stack NAME, or give the id of a snapshot (ingot list)");
    }
    if (!any_stack && candidates.empty() && !stack.empty() && !snapshots.empty()) {
        throw Error(Code::not_found, fmt::format("the repository holds no snapshot of the stack {}", printable(stack)),
                    "`ingot list` shows what there is");
    }
    const Chosen chosen = choose(candidates, choice);
    return {*chosen.snapshot, chosen.skipped};
}

Snapshot pick(Invocation& run, Repository& repository, const std::string& which) {
    Picked picked = pick(all_snapshots(run, repository), Choice{which, std::nullopt}, wanted_stack(run));
    for (const std::string& line : picked.skipped) run.out.note(fmt::format("passed over: {}", line));
    return std::move(picked.snapshot);
}

std::string fact_text(const Fact& fact) {
    if (const auto* integer = std::get_if<int64_t>(&fact)) return std::to_string(*integer);
    if (const auto* number = std::get_if<double>(&fact)) return fmt::format("{}", *number);
    return printable(std::get<std::string>(fact));
}

uint64_t bytes_of(const Manifest& manifest) {
    uint64_t bytes = 0;
    for (const ManifestSource& source : manifest.sources) bytes += source.bytes;
    return bytes;
}

}  // namespace ingot
