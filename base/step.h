// Named durable steps: the places where a crash is interesting.
//
// step("commit.packs-published") is called right after that became durable. Nobody listens in the shipped binary; the
// crash tests' binary (tests/crash/faulted_main.cc) listens and kills the process there. docs/restore.md and docs/format.md
// name the steps in order.
//
// Thread safety: step() may be called from any thread; set_step_listener() before other threads start.
#pragma once

namespace ingot {

void step(const char* name);

using StepListener = void (*)(const char* name);
void set_step_listener(StepListener listener);

}  // namespace ingot
