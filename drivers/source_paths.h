// From the paths of a config to the places in the file system and the listing paths they have.
//
//   live path      absolute, without "." , ".." and doubled '/': "/opt/raggen/models"
//   listing path   relative to the stack's root for what lies below it ("models"), else the live path itself
//
// Normalised as text: no symlink is looked at, so "link/.." is the folder that holds the link.
// Thread safety: pure functions. Errors: Error{usage}.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "drivers/driver.h"

namespace ingot {

std::string live_path_from(std::string_view stack_root, std::string_view configured);
std::string listing_path_from(std::string_view stack_root, std::string_view live_path);
// The reverse.
std::string live_path_of(std::string_view stack_root, std::string_view listing_path);
// Where a listing path lies below a folder that entries were materialised into.
std::string path_in_artifact(const std::string& dir, const std::string& listing_path);

// Is `path` the folder itself, or below it?
bool is_within(std::string_view path, std::string_view folder);

// The roots of a source in listing order; one that lies within another is part of that one.
// Throws Error{usage} where there is none, or a path is empty or holds a NUL.
std::vector<SourceRoot> roots_from(const SourceSpec& spec);

}  // namespace ingot
