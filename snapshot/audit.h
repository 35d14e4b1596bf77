// Audit records: who restored, promoted or found damage, when, why, and how it went. Dated, sealed, never rewritten.
//
// A record stands alone: it holds what a report needs also when the snapshot it names is gone. JSON (docs/format.md, "Audit"),
// filed as a record of its own. Everything in it is printable, bounded, and without the passwords of urls.
//
// Thread safety: values. Errors: decode_audit: Error{damaged}; filing: those of the repository.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "drivers/driver.h"
#include "store/repository.h"
#include "store/types.h"

namespace ingot {

struct AuditStep {
    std::string name;
    int64_t at_ms = 0;  // wall clock
    int64_t ms = 0;
    bool failed = false;
    std::string detail;
};

// One source before and after. `before` is what could be known cheaply: asked of the live engine at the start, or, where that was
// not to be had, what the newest snapshot recorded.
struct AuditSource {
    std::string name;
    std::string driver;
    std::string before_from;  // "live", "snapshot 3f2a91bc"; empty: nothing is known
    int64_t before_at_ms = 0;
    Facts before;
    Facts after;  // of the snapshot that was put back
};

struct AuditRecord {
    // A restore has some ten steps and a few for each source. Of more, the first and the last are kept.
    static constexpr size_t kMostSteps = 200;
    static constexpr size_t kTextBytes = 4096;  // of an error, a reason, a problem

    std::string action;  // "restore", "rollback", "undo", "guard", "resume", "promote", "verify"
    std::string stack;
    std::string user;  // "root (alice by sudo)"
    std::string host;
    std::string ingot_version;
    int64_t started_ms = 0;
    int64_t finished_ms = 0;
    std::string
        outcome;  // "restored", "rolled_back", "rollback_incomplete", "failed", "undone", "golden", "not_golden", "damaged"
    int exit = 0;
    std::string reason;  // as the caller gave it
    std::string error;
    std::string hint;
    std::vector<std::string> problems;

    std::optional<RecordId> snapshot;
    int64_t snapshot_moment_ms = 0;  // 0: not known
    std::string version_before;      // of the application, as it was live
    std::string version_snapshot;    // and as the snapshot records it

    std::string restore_id;  // empty: no restore
    uint64_t targets = 0, bytes_written = 0;
    uint64_t unchanged = 0, replaced = 0, added = 0, removed = 0, metadata = 0;  // entries
    int64_t outage_ms = 0;
    std::string kept_in;
    std::string safety;  // the id of the snapshot of what was replaced, in hex; empty: none was made
    std::vector<AuditStep> steps;
    std::vector<AuditSource> sources;

    int64_t duration_ms() const { return finished_ms - started_ms; }
};

// Of this process: user, host, version, the time of now as the start.
AuditRecord new_audit(std::string action, std::string stack);

Bytes encode_audit(const AuditRecord& record);
AuditRecord decode_audit(ByteView json);

// Commits a record of its own.
RecordId file_audit(Repository& repository, const AuditRecord& record);

// All that can be read, oldest first; those that cannot are named through `warn`. One that was filed twice, because a crash came
// between filing it and forgetting it, appears once.
std::vector<AuditRecord> load_audits(Repository& repository, const std::function<void(const std::string&)>& warn);

// The text with *** in place of what stands between "://user:" and "@".
std::string without_passwords(std::string_view text);

}  // namespace ingot
