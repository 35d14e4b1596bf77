// The facts of a command's output: its size, and what the commands of `facts` print when they get it on their standard input.
//
// Thread safety: pure but for the programs it runs. Errors: Error{code} for a command that fails or prints no single value.
#pragma once

#include "base/error.h"
#include "drivers/command_settings.h"

namespace ingot {

// `path` is the output, `code` whose fault a failure is.
Facts command_facts(const CommandSettings& settings, const std::string& path, uint64_t bytes, Code code);

// The value that stands on one line: a whole number, a number, or text.
Fact fact_from(const std::string& text);

// Opens a file for a command to read.
class InputFile {
public:
    InputFile(const std::string& path, Code code);
    InputFile(const InputFile&) = delete;
    InputFile& operator=(const InputFile&) = delete;
    ~InputFile();
    int fd() const { return fd_; }

private:
    int fd_;
};

}  // namespace ingot
