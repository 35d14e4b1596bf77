// Paths as people write them, made absolute by name alone: nothing is looked up, links are not followed.
//
// Thread safety: any thread. Errors: current_folder: Error{failed}.
#pragma once

#include <string>
#include <string_view>

namespace ingot {

std::string current_folder();

// An absolute path without "." and empty components; ".." takes back the component before it. A relative `path` starts at
// `folder`.
std::string absolute_path(const std::string& folder, const std::string& path);
// Starts at the current folder.
std::string absolute_path(const std::string& path);

// [A-Za-z0-9_-]{1,64}: names of stacks and sources become names of files and parts of paths.
bool is_plain_name(std::string_view name);

}  // namespace ingot
