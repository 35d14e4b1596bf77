// Running other programs: hooks, version commands, engines' tools.
//
// A child gets no descriptors but its three, a process group of its own (so that a time limit ends all of it), and the
// environment given. Secrets are never put on a command line.
// Thread safety: any thread. Errors: Error{failed} when it cannot be started or outlives its limit; its exit status is a result.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace ingot {

struct Command {
    std::vector<std::string> argv;                                 // executed directly, no shell
    std::string folder;                                            // working directory; empty: this process's
    std::vector<std::pair<std::string, std::string>> environment;  // added to this process's
    int64_t limit_ms = 60'000;
    size_t output_limit_bytes = 1 << 20;  // of each; the rest is read and dropped
    std::string input;                    // written to its standard input

    // "/bin/sh -c text": what a config's command line is.
    static Command shell(std::string text, std::string folder);
};

struct CommandResult {
    int status = 0;  // exit status, or 128 + signal
    std::string out;
    std::string err;
    int64_t duration_ms = 0;
};

CommandResult run(const Command& command);

// Like run, but a status other than 0 is an Error{failed} that quotes the last line of its stderr.
CommandResult run_checked(const Command& command, const std::string& what);

}  // namespace ingot
