#include "drivers/faiss_files.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "base/clock.h"
#include "base/error.h"
#include "drivers/source_paths.h"

namespace ingot {
namespace {

// A save writes the index and its docstore within seconds of each other, the slowest ones within minutes.
constexpr const char* kDocstoreSkew = "10m";

std::vector<std::string> lines_of(const SourceSpec& spec, const std::string& key) {
    std::vector<std::string> out;
    const auto option = spec.options.find(key);
    if (option == spec.options.end()) return out;
    for (size_t at = 0; at <= option->second.size();) {
        const size_t end = std::min(option->second.find('\n', at), option->second.size());
        out.push_back(option->second.substr(at, end - at));
        at = end + 1;
    }
    return out;
}

std::vector<SourceRoot> roots_of(const SourceSpec& spec, std::vector<std::string> paths) {
    if (paths.empty()) return {};
    SourceSpec only = spec;
    only.paths = std::move(paths);
    return roots_from(only);
}

bool holds(const std::vector<SourceRoot>& roots, const SourceRoot& root) {
    return std::any_of(roots.begin(), roots.end(), [&](const SourceRoot& each) { return each.live_path == root.live_path; });
}

}  // namespace

FaissFiles FaissFiles::from(const SourceSpec& spec) {
    FaissFiles out;
    const std::vector<SourceRoot> index = roots_from(spec);
    if (index.size() != 1) {
        throw Error(Code::usage, fmt::format("source {} names {} indexes", spec.name, index.size()),
                    "declare one source for each");
    }
    out.index = index.front();
    out.stack_root = spec.root;
    out.docstore = roots_of(spec, lines_of(spec, "docstore"));
    out.lists = roots_of(spec, lines_of(spec, "lists"));
    if (holds(out.docstore, out.index) || holds(out.lists, out.index)) {
        throw Error(Code::usage,
                    fmt::format("source {} names {} as its index and as a file beside it", spec.name, out.index.live_path),
                    "name each file once");
    }
    const auto skew = spec.options.find("docstore_skew");
    out.docstore_skew_ms = parse_duration_ms(skew == spec.options.end() ? kDocstoreSkew : skew->second);
    return out;
}

std::vector<SourceRoot> FaissFiles::roots(const std::vector<SourceRoot>& more) const {
    std::vector<SourceRoot> out = {index};
    for (const std::vector<SourceRoot>* each : {&docstore, &lists, &more}) {
        for (const SourceRoot& root : *each) {
            if (!holds(out, root)) out.push_back(root);
        }
    }
    std::sort(out.begin(), out.end(),
              [](const SourceRoot& a, const SourceRoot& b) { return listing_less(a.listing_path, b.listing_path); });
    return out;
}

bool FaissFiles::declared(const SourceRoot& root) const {
    return holds(lists, root) || holds(docstore, root) || root.live_path == index.live_path;
}

std::vector<SourceRoot> FaissFiles::places_of(const std::string& name) const {
    const std::string folder = parent_of(index.live_path), base = base_name_of(name);
    std::vector<std::string> live;
    for (const SourceRoot& root : lists) {
        if (base_name_of(root.live_path) == base) live.push_back(root.live_path);
    }
    live.push_back(live_path_from(stack_root, name));
    if (!name.starts_with('/')) live.push_back(live_path_from(folder, name));
    live.push_back(live_path_from(folder, base));
    std::vector<SourceRoot> out;
    for (const std::string& path : live) out.push_back({listing_path_from(stack_root, path), path});
    return out;
}

std::vector<SourceRoot> FaissFiles::live_lists(const FaissLayout& layout) const {
    std::vector<SourceRoot> out;
    for (const FaissListsFile& file : layout.lists_files()) {
        struct stat st {};
        const std::vector<SourceRoot> places = places_of(file.name);
        const auto found = std::find_if(places.begin(), places.end(),
                                        [&](const SourceRoot& place) { return ::lstat(place.live_path.c_str(), &st) == 0; });
        if (found == places.end()) {
            throw Error(Code::source,
                        fmt::format("{} keeps its inverted lists in {}, which is not there", printable(index.live_path),
                                    printable(file.name)),
                        "put it back, or say where it lies: lists = [\"...\"] of the source");
        }
        struct stat of_index {};
        if (::lstat(index.live_path.c_str(), &of_index) != 0)
            throw Error::from_errno("looking at", index.live_path, errno, Code::source);
        if (!declared(*found) && st.st_uid != of_index.st_uid) {
            throw Error(Code::source,
                        fmt::format("{} keeps its inverted lists in {}, which belongs to another user than the index",
                                    printable(index.live_path), printable(found->live_path)),
                        fmt::format("if that is right, declare it: lists = [\"{}\"]", printable(found->live_path)));
        }
        if (!holds(out, *found)) out.push_back(*found);
    }
    return out;
}

std::vector<std::string> FaissFiles::lists_in_artifact(const FaissLayout& layout, const std::string& dir) const {
    std::vector<std::string> out;
    for (const FaissListsFile& file : layout.lists_files()) {
        std::vector<SourceRoot> places = places_of(file.name);
        const auto found = std::find_if(places.begin(), places.end(), [&](const SourceRoot& place) {
            return real_filesystem().exists(path_in_artifact(dir, place.listing_path));
        });
        if (found == places.end()) {
            throw Error(Code::damaged,
                        fmt::format("the artifact does not hold {}, where {} keeps its inverted lists", printable(file.name),
                                    printable(index.listing_path)),
                        "choose another snapshot");
        }
        out.push_back(path_in_artifact(dir, found->listing_path));
    }
    return out;
}

}  // namespace ingot
