// Shell completions, made from the same description of the commands that the command line is parsed with, so that a flag cannot
// be missing from them.
//
// They complete commands, flags, and the values that are files, folders or fixed words. Snapshots and sources are not looked up:
// pressing the tab key must not open a repository or ask for a passphrase.
// Thread safety: pure functions. Errors: Error{usage} for a shell that is neither.
#pragma once

#include <string>

namespace ingot {

// The script for "bash" or "zsh".
std::string completion_script(const std::string& shell);

}  // namespace ingot
