// What the config says of a `command` source, as values (docs/drivers/command.md lists the keys).
//
// Thread safety: values. Errors: Error{usage}.
#pragma once

#include <map>
#include <string>

#include "drivers/driver.h"

namespace ingot {

// Which moment's state the output shows.
enum class ShownMoment : uint8_t {
    start,    // that before its first byte: a transaction is open by then, and writers may go on while the rest is printed
    end,      // one between its start and its end: it ends before writers go on
    unknown,  // perhaps several: fuzzy
};

struct CommandSettings {
    std::string snapshot;
    std::string restore;  // empty: there is none, and a restore puts the output back as a file
    std::string check;    // empty: there is none
    std::map<std::string, std::string> facts;
    std::string name;       // of the output, in the listing
    std::string directory;  // absolute
    ShownMoment moment = ShownMoment::end;
    int64_t timeout_ms = 0;
    int64_t idle_timeout_ms = 0;
    bool allow_empty = false;
    bool keep_old = true;  // undo: the old output is kept, and fed back
};

CommandSettings command_settings(const SourceSpec& spec);

}  // namespace ingot
