// The terminal, where there is one: its width, questions, and the progress bar's line.
//
// Thread safety: clear_progress_line from any thread; the rest from one.
#pragma once

#include <cstdio>
#include <functional>
#include <string>

#include "base/secret.h"

namespace ingot {

bool is_terminal(FILE* stream);
// Both ends are a person's: standard input to answer on, standard error to be asked on.
bool can_ask();
// Columns of the terminal behind standard error; 80 where it does not say.
size_t terminal_width();

// Asks without showing what is typed. Throws Error{usage} where nobody can be asked, Error{interrupted}.
Secret ask_secret(const std::string& question);
// "... [y/N] ": true for y or yes. False where nobody can be asked.
bool ask_yes(const std::string& question);

// Whoever draws a progress line on standard error says here how to take it away before anything else is printed.
void set_progress_line(std::function<void()> clear);
void clear_progress_line();

}  // namespace ingot
