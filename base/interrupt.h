// SIGINT, SIGTERM and SIGHUP become an Error{interrupted} at the next safe place.
//
// Long loops call check_interrupted(); undo is then done by destructors as for any other error, so that locks are released,
// writers resumed and stages removed. Between a restore's first swap and its end nothing asks.
// Thread safety: any thread.
#pragma once

namespace ingot {

// Installs the signal handlers; called once by the command line.
void catch_interrupts();
// Throws Error{interrupted} when a signal came.
void check_interrupted();
bool interrupted();
// For tests.
void set_interrupted(bool value);

}  // namespace ingot
