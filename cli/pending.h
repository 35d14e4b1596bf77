// Records that wait: a verify that could not take the append lock leaves its attestation in the state directory, a restore its
// audit record, and the next command that holds the lock files them.
//
//   <state dir>/pending/<repository id>-<time>-<manifest>.json      plain JSON, mode 0600; it holds no secrets
//   <state dir>/pending/<repository id>-audit-<time>-<n>.json
//
//   <state dir>/pending/<repository id>-audit-<time>-<restore id>.json
//
// Where the repository is not to be read when an audit record is kept, pending_key() of its path stands in the place of its id.
// The record of a restore waits from before its journal is removed, so that no crash leaves a restore without one; the command
// that did it writes it once more when all is told, and then files it.
//
// Thread safety: one thread. Errors: keep_pending: Error{failed}. file_pending: warns, and leaves what it could not file.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/filesystem.h"
#include "snapshot/audit.h"
#include "snapshot/manifest.h"
#include "store/repository.h"

namespace ingot {

class Invocation;

// Durable when it returns.
void keep_pending(FileSystem& fs, const std::string& state_dir, const RepositoryId& repository, const Attestation& attestation);

// Files them under the append lock, or keeps them waiting where it is not to be had; says then that WHAT waits. True when filed.
bool file_or_keep(Invocation& run, const RepositoryId& repository, const std::vector<Attestation>& attestations,
                  const std::string& what);

// The repository's id in hex, or its pending_key() where it is not to be read.
std::string repository_key(Invocation& run);
// The record of a restore, under one name for all that this run says of it: the last word counts. Durable when it returns.
void keep_restore_audit(Invocation& run, const std::string& key, const AuditRecord& record);
// "path-<16 hexadecimal digits>"
std::string pending_key(const std::string& repository_path);
// `key`: the repository's id, or its pending_key. Durable when it returns.
void keep_audit(FileSystem& fs, const std::string& state_dir, const std::string& key, const AuditRecord& record);
// The audit records that wait for this repository, oldest first. Those that cannot be read are named through `warn`.
std::vector<AuditRecord> waiting_audits(FileSystem& fs, Repository& repository, const std::string& state_dir,
                                        const std::function<void(const std::string&)>& warn);

// Files what waits for this repository, which is open under append, and removes it. Returns how many.
size_t file_pending(FileSystem& fs, Repository& repository, const std::string& state_dir,
                    const std::function<void(const std::string&)>& warn);

}  // namespace ingot
