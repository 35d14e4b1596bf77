#include "drivers/source_paths.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"

namespace ingot {

static std::string normalised(std::string_view path) {
    std::string out;
    while (!path.empty()) {
        const size_t slash = path.find('/');
        const std::string_view name = path.substr(0, slash);
        path.remove_prefix(slash == std::string_view::npos ? path.size() : slash + 1);
        if (name.empty() || name == ".") continue;
        if (name == "..") {
            out.erase(out.empty() ? 0 : out.find_last_of('/'));
            continue;
        }
        out += '/';
        out += name;
    }
    return out.empty() ? "/" : out;
}

std::string live_path_from(std::string_view stack_root, std::string_view configured) {
    if (configured.starts_with('/')) return normalised(configured);
    return normalised(std::string(stack_root) + "/" + std::string(configured));
}

bool is_within(std::string_view path, std::string_view folder) {
    if (folder == "/") return path.starts_with('/');
    return path.starts_with(folder) && (path.size() == folder.size() || path[folder.size()] == '/');
}

std::string listing_path_from(std::string_view stack_root, std::string_view live_path) {
    const std::string root = normalised(stack_root);
    if (live_path == root || !is_within(live_path, root)) return std::string(live_path);
    return std::string(live_path.substr(root == "/" ? 1 : root.size() + 1));
}

std::string live_path_of(std::string_view stack_root, std::string_view listing_path) {
    if (listing_path.starts_with('/')) return std::string(listing_path);
    const std::string root = normalised(stack_root);
    return (root == "/" ? root : root + "/") + std::string(listing_path);
}

std::string path_in_artifact(const std::string& dir, const std::string& listing_path) {
    return join(dir, listing_path.starts_with('/') ? listing_path.substr(1) : listing_path);
}

std::vector<SourceRoot> roots_from(const SourceSpec& spec) {
    if (spec.paths.empty()) {
        throw Error(Code::usage, fmt::format("source {} names no path", spec.name),
                    "add `path = \"...\"` or `paths = [...]` to it");
    }
    std::vector<SourceRoot> all;
    for (const std::string& path : spec.paths) {
        if (path.empty() || path.find('\0') != std::string::npos) {
            throw Error(Code::usage,
                        fmt::format("source {} names the path \"{}\", which cannot be one", spec.name, printable(path)),
                        "name a file or folder, absolute or relative to the stack's root");
        }
        std::string live = live_path_from(spec.root, path);
        std::string listing = listing_path_from(spec.root, live);
        all.push_back({std::move(listing), std::move(live)});
    }
    std::sort(all.begin(), all.end(),
              [](const SourceRoot& a, const SourceRoot& b) { return listing_less(a.listing_path, b.listing_path); });
    // A folder stands right before what it holds, but the stack's root itself is listed under its absolute path: every pair is
    // looked at.
    std::vector<SourceRoot> out;
    for (const SourceRoot& root : all) {
        const bool held = std::any_of(all.begin(), all.end(), [&](const SourceRoot& other) {
            return other.live_path != root.live_path && is_within(root.live_path, other.live_path);
        });
        if (!held && (out.empty() || out.back().live_path != root.live_path)) out.push_back(root);
    }
    return out;
}

}  // namespace ingot
