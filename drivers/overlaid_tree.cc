#include "drivers/overlaid_tree.h"

#include <unistd.h>

#include <algorithm>
#include <climits>
#include <cstdlib>
#include <deque>

#include "base/error.h"
#include "base/filesystem.h"
#include "drivers/source_paths.h"

namespace ingot {
namespace {

// The kernel's own limit of links in one path (MAXSYMLINKS).
constexpr int kLinks = 40;

void push_names_front(std::deque<std::string>& names, const std::string& path) {
    size_t end = path.size();
    while (end > 0) {
        const size_t slash = path.rfind('/', end - 1);
        const size_t begin = slash == std::string::npos ? 0 : slash + 1;
        if (begin < end) names.push_front(path.substr(begin, end - begin));
        end = slash == std::string::npos ? 0 : slash;
    }
}

}  // namespace

std::string with_real_folder(const std::string& live) {
    const std::string folder = parent_of(live);
    if (folder == live) return live;
    char real[PATH_MAX];
    if (::realpath(folder.c_str(), real) != nullptr) return join(real, base_name_of(live));
    return join(with_real_folder(folder), base_name_of(live));
}

OverlaidTree::OverlaidTree(std::vector<Part> parts) : parts_(std::move(parts)) {
    for (Part& part : parts_) part.live = with_real_folder(part.live);
    std::sort(parts_.begin(), parts_.end(), [](const Part& a, const Part& b) { return a.live.size() < b.live.size(); });
}

const OverlaidTree::Part* OverlaidTree::part_of(const std::string& live) const {
    for (auto part = parts_.rbegin(); part != parts_.rend(); ++part) {
        if (is_within(live, part->live)) return &*part;
    }
    return nullptr;
}

std::string OverlaidTree::place(const std::string& live) const {
    const Part* part = part_of(live);
    return part == nullptr ? live : part->from + live.substr(part->live.size());
}

std::optional<struct stat> OverlaidTree::look(const std::string& live) const {
    struct stat st {};
    if (::lstat(place(live).c_str(), &st) != 0) {
        // A folder above a part may be missing still.
        const bool above =
            std::any_of(parts_.begin(), parts_.end(), [&](const Part& part) { return is_within(part.live, live); });
        if (!above) return std::nullopt;
        st.st_mode = S_IFDIR | 0755;
    }
    return st;
}

std::optional<std::string> OverlaidTree::resolve(const std::string& live) const {
    std::deque<std::string> names;
    push_names_front(names, live);
    std::string path;
    for (int links = 0; !names.empty();) {
        const std::string name = std::move(names.front());
        names.pop_front();
        if (name == ".") continue;
        if (name == "..") {
            path.erase(path.empty() ? 0 : path.find_last_of('/'));
            continue;
        }
        const std::string next = path + "/" + name;
        const std::optional<struct stat> st = look(next);
        if (!st || next.size() >= PATH_MAX) return std::nullopt;
        if (!S_ISLNK(st->st_mode)) {
            path = next;
            continue;
        }
        char target[PATH_MAX];
        const ssize_t n = ::readlink(place(next).c_str(), target, sizeof target);
        if (n <= 0 || ++links > kLinks) return std::nullopt;
        const std::string link(target, static_cast<size_t>(n));
        if (link.starts_with('/')) path.clear();
        push_names_front(names, link);
    }
    return path.empty() ? "/" : path;
}

std::vector<std::string> OverlaidTree::names(const std::string& live_folder) const {
    std::vector<std::string> out;
    try {
        real_filesystem().list(place(live_folder), [&](const std::string& name) { out.push_back(name); });
    } catch (const Error& error) {
        ignore_error(error, "a folder that cannot be read matches nothing; the program that reads it says so itself");
    }
    for (const Part& part : parts_) {
        if (parent_of(part.live) == live_folder) out.push_back(base_name_of(part.live));
    }
    std::sort(out.begin(), out.end());
    out.erase(std::unique(out.begin(), out.end()), out.end());
    return out;
}

}  // namespace ingot
