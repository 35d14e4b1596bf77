// Running the commands of a `command` source: for their output, or on a file.
//
// A command is one line for the shell, run in the source's directory with this process's environment, in a process group that is
// ended as a whole at a limit, at an interrupt, and when the run is destroyed. The shell is `bash -o pipefail`, so that a dump
// that dies in front of a compressor is not taken for a good one; without bash, /bin/sh, which sees the last program's status
// only.
//
// Thread safety: CommandRun by one thread, beside its own. Errors: see each.
#pragma once

#include <condition_variable>
#include <exception>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>

#include "base/clock.h"
#include "base/error.h"
#include "base/process.h"
#include "base/spool.h"
#include "drivers/command_settings.h"

namespace ingot {

// The command line `text` of this source, ready to run; its output is not limited yet.
Command source_command(const CommandSettings& settings, const std::string& text);
// Does the shell see the status of every program of a pipe?
bool shell_sees_pipes();

// The source's directory is there, and the first word of `text` is something that the shell can run; words it would have to
// expand are not judged. Throws Error{code}.
void require_runnable(const CommandSettings& settings, const std::string& text, const std::string& what, Code code);

// What a command that failed had to say: the last lines of its error output on one line.
std::string last_words(const std::string& error_output);

// Throws Error{code} where the command did not end with status 0.
void require_success(const CommandSettings& settings, const std::string& text, const std::string& what,
                     const CommandResult& result, Code code);

// Runs `text` on an open file from its start; `result.out` is what it printed first. Throws Error{code} for a status other than
// 0, and Error{failed} at a limit.
CommandResult run_on_file(const CommandSettings& settings, const std::string& text, const std::string& what, int fd, Code code);

// A snapshot command in the background, its output going into a nameless spool.
class CommandRun {
public:
    CommandRun(const CommandSettings& settings, const std::string& what, const std::string& spool_dir);
    CommandRun(const CommandRun&) = delete;
    CommandRun& operator=(const CommandRun&) = delete;
    ~CommandRun() = default;  // ends it where it still runs

    // Each returns at once where that was before.
    Moment wait_for_first_byte();  // or its end
    Moment wait_for_end();

    bool ended() const;
    // It ended by itself, and with a status other than 0 or without a byte where there must be some.
    bool failed_by_itself() const;
    // After its end. Throws Error{source} unless all went well; Error{interrupted}.
    void require_good() const;

    Moment started() const { return started_; }
    // After it ended well.
    const Spool& output() const { return *output_; }
    // What it printed on its error output although it succeeded; empty where nothing.
    std::string warnings() const;

private:
    void work(const std::stop_token& stop);

    const CommandSettings& settings_;
    const std::string what_;
    std::optional<Spool> output_;  // given up with a failure: on a full disk others need the room at once
    const Moment started_;
    mutable std::mutex mutex_;
    std::condition_variable changed_;
    std::optional<Moment> first_byte_;
    std::optional<Moment> ended_;
    CommandResult result_;
    bool empty_ = false;
    std::exception_ptr error_;
    std::jthread thread_;  // the last: joined before the rest goes
};

}  // namespace ingot
