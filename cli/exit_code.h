// Exit statuses: a promise to scripts (docs/cli.md, "Exit codes"). A number never changes its meaning.
#pragma once

#include <string_view>

#include "base/error.h"
#include "store/repository.h"

namespace ingot {

inline constexpr int kExitDone = 0;
inline constexpr int kExitFailed = 1;
inline constexpr int kExitUsage = 2;
inline constexpr int kExitNotAsAsked = 3;  // stored, but partial, or golden was asked for and not reached
inline constexpr int kExitNoRepository = 10;
inline constexpr int kExitLocked = 11;
inline constexpr int kExitWrongKey = 12;
inline constexpr int kExitDamaged = 20;
inline constexpr int kExitRolledBack = 21;
inline constexpr int kExitRollbackIncomplete = 22;
inline constexpr int kExitIncompatible = 23;  // a restore that was refused
inline constexpr int kExitTampered = 25;
inline constexpr int kExitInterrupted = 130;

// An Error{source} that ends a command means that nothing was stored: 1. A partial snapshot is no error, and is 3.
int exit_code(Code code);

// The name that "code" has in JSON: "wrong_key".
std::string_view code_name(Code code);

// 25 where something was tampered with, 20 where something is damaged, 0 where there are only notes.
int exit_code(const std::vector<Finding>& findings);

}  // namespace ingot
