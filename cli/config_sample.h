// A config to start from: every table and key of this version, explained, with what was found in a stack's folder filled in.
//
// Thread safety: any thread. Errors: Error{failed} for a folder that cannot be listed.
#pragma once

#include <string>

#include "base/filesystem.h"

namespace ingot {

// What lies in a stack's folder, at most two levels deep, and looks like something to protect. Relative paths, sorted.
struct StackFinds {
    std::vector<std::string> databases;  // *.db, *.sqlite, *.sqlite3
    std::vector<std::string> env_files;  // .env, .env.*
    std::vector<std::string> folders;    // of the first level, without hidden ones
};

StackFinds look_through(FileSystem& fs, const std::string& folder);

// `root` absolute.
std::string config_sample(const std::string& root, const StackFinds& finds);

}  // namespace ingot
