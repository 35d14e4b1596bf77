// The audit record of one restore while it runs: listens to its steps, and is handed to what follows the command
// (cli/follow_up.h) when it dies, also when the restore threw.
//
// Thread safety: one thread. Lifetime: the invocation outlives it. Errors: none.
#pragma once

#include <string>
#include <vector>

#include "cli/invocation.h"
#include "restore/restore.h"
#include "snapshot/catalog.h"

namespace ingot {

class RestoreAudit {
public:
    // Of a restore of `snapshot` that begins. Not `live`: a folder is written, or nothing; there is no record then.
    RestoreAudit(Invocation& run, Repository& repository, const Snapshot& snapshot, const std::vector<std::string>& only,
                 const std::string& reason, bool live);
    // Of what an earlier one left unfinished; nothing where there is none.
    explicit RestoreAudit(Invocation& run);
    RestoreAudit(const RestoreAudit&) = delete;
    RestoreAudit& operator=(const RestoreAudit&) = delete;
    ~RestoreAudit();

    Timeline::Listener listener(Timeline::Listener next);
    void ended(const RestoreResult& result);
    // Keeps the record durably before the journal goes (cli/pending.h). Lives as long as this.
    BeforeForgetting before_forgetting();

private:
    void note_id();
    static void fill(AuditRecord& record, const RestoreResult& result);

    Invocation& run_;
    AuditRecord record_;
    bool live_ = true;
    bool ended_ = false;
};

}  // namespace ingot
