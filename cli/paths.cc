#include "cli/paths.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <vector>

#include "base/error.h"

namespace ingot {

std::string current_folder() {
    std::string buffer(PATH_MAX, '\0');
    if (::getcwd(buffer.data(), buffer.size()) == nullptr) throw Error::from_errno("asking for", "the current folder", errno);
    return buffer.c_str();
}

std::string absolute_path(const std::string& folder, const std::string& path) {
    const std::string whole = path.starts_with('/') ? path : folder + "/" + path;
    std::vector<std::string> parts;
    for (size_t at = 0; at <= whole.size();) {
        const size_t slash = std::min(whole.find('/', at), whole.size());
        const std::string part = whole.substr(at, slash - at);
        at = slash + 1;
        if (part == ".." && !parts.empty()) parts.pop_back();
        if (!part.empty() && part != "." && part != "..") parts.push_back(part);
    }
    std::string out;
    for (const std::string& part : parts) out += "/" + part;
    return out.empty() ? "/" : out;
}

std::string absolute_path(const std::string& path) {
    return path.starts_with('/') ? absolute_path("/", path) : absolute_path(current_folder(), path);
}

bool is_plain_name(std::string_view name) {
    return !name.empty() && name.size() <= 64 && std::all_of(name.begin(), name.end(), [](char c) {
        return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
    });
}

}  // namespace ingot
