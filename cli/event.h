// What a command did, for who is told of it afterwards: notifications, metrics, audit records (cli/follow_up.h). Commands fill in
// what only they know.
//
// Thread safety: values. No secrets: errors are made without them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "snapshot/audit.h"

namespace ingot {

struct SnapshotFigures {
    uint64_t bytes = 0;         // of the sources
    uint64_t bytes_new = 0;     // plaintext of new chunks
    uint64_t bytes_stored = 0;  // what the repository grew by
    std::optional<int64_t> pause_ms;
};

struct Event {
    std::string command;  // "snapshot", "rollback"
    std::string stack;
    std::string host;
    int64_t began_ms = 0;  // wall clock
    int64_t duration_ms = 0;
    int exit = 0;
    std::string outcome;  // "stored", "golden", "partial", "restored"; of a command that failed by an error, what is live now
    std::string snapshot_id;
    std::string restore_id;
    std::string reason;
    int64_t outage_ms = 0;
    std::string error;
    std::string hint;
    std::optional<SnapshotFigures> figures;  // of a snapshot that was stored
    bool read_back = false;                  // a whole snapshot was read back, and found good
    bool changes_live = false;               // a restore that was meant to change the live stack
    std::vector<AuditRecord> audits;         // to be filed

    bool failed() const { return exit != 0; }
};

}  // namespace ingot
