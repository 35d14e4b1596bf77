// Running other programs: hooks, version commands, engines' tools.
//
// A child gets no descriptors but its three, a process group of its own (so that a time limit ends all of it), and the
// environment given. Secrets are never put on a command line. Both outputs are always read, so that none can block it.
// Thread safety: any thread. Errors: Error{failed} when it cannot be started or outlives a limit; its exit status is a result.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace ingot {

struct Command {
    std::vector<std::string> argv;                                 // executed directly, no shell
    std::string folder;                                            // working directory; empty: this process's
    std::vector<std::pair<std::string, std::string>> environment;  // added to this process's
    int64_t limit_ms = 60'000;
    // Of its output the first bytes are kept, of its error output the last, where the reason stands; the rest is dropped.
    size_t output_limit_bytes = 1 << 20;
    std::string input;  // written to its standard input
    // In place of `input`: a file that it reads itself, from where its offset stands. Borrowed for the call.
    int input_fd = -1;
    // In place of CommandResult::out: gets the output as it comes; what it throws ends the group. The run then lasts until the
    // output ends, because what the command left in the background may still be writing.
    std::function<void(std::span<const uint8_t>)> output_to;
    // In place of pipes: a file that both outputs go to. Nobody has to read it, so what the command leaves in the background
    // never writes to a pipe that was closed. CommandResult holds no output then. Borrowed for the call.
    int output_fd = -1;
    int64_t idle_limit_ms = 0;        // ended when it printed nothing on either output for so long; 0: no such limit
    std::function<bool()> stop_when;  // asked several times a second; true ends it: Error{interrupted}

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
