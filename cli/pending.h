// Attestations that wait: a verify that could not take the append lock leaves its record in the state directory, and the next
// command that holds the lock files it.
//
//   <state dir>/pending/<repository id>-<time>-<manifest>.json      plain JSON, mode 0600; it holds no secrets
//
// Thread safety: one thread. Errors: keep_pending: Error{failed}. file_pending: warns, and leaves what it could not file.
#pragma once

#include <functional>
#include <string>

#include "base/filesystem.h"
#include "snapshot/manifest.h"
#include "store/repository.h"

namespace ingot {

// Durable when it returns.
void keep_pending(FileSystem& fs, const std::string& state_dir, const RepositoryId& repository, const Attestation& attestation);

// Files what waits for this repository, which is open under append, and removes it. Returns how many.
size_t file_pending(FileSystem& fs, Repository& repository, const std::string& state_dir,
                    const std::function<void(const std::string&)>& warn);

}  // namespace ingot
