// The commands and their flags, as the argument parser's library (known in .cc files only) is told of them.
//
// Thread safety: one thread. Errors: none; a command named twice is our own mistake.
#pragma once

#include <string>

#include "cli/arguments.h"

namespace CLI {
class App;
}

namespace ingot {

// Flags whose text is read further once parsing is done.
struct RawValues {
    std::string lock_wait;
    std::string sample;
    std::string max_age;
};

void add_global_flags(CLI::App& app, Arguments& arguments, RawValues& raw);
void add_commands(CLI::App& app, Arguments& arguments, RawValues& raw);

}  // namespace ingot
