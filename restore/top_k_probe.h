// Top-k probes: the queries that a golden snapshot recorded (snapshot/top_k.h), put to the restored index.
//
// Thread safety: one thread.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "snapshot/catalog.h"
#include "snapshot/stack.h"

namespace ingot {

// Adds what each top-k probe must find, of the sources that are restored: probe -> the record, as text that a journal keeps.
// Returns a line for each of which the snapshot holds no record (it is not golden, or the probe is newer): it is not asked.
std::vector<std::string> expect_top_k(const Stack& stack, const Snapshot& snapshot, const std::vector<std::string>& restored,
                                      std::map<std::string, std::string>& expected);

// Asks the live engine. Throws Error{failed} saying what differs; Error{damaged} where `expected` is no record.
void ask_top_k(const ProbeSpec& probe, Driver& driver, const std::string& expected);

}  // namespace ingot
