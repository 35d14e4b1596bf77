// What this client remembers of a repository, in <state_dir>/<repository id>/: its writer id, and the last head of every writer
// it saw, so that an older or other repository is noticed (I10).
//
// Thread safety: one thread. Errors: Error{tampered} for a rollback.
#pragma once

#include <string>

#include "base/filesystem.h"
#include "store/heads.h"

namespace ingot {

class ClientMemory {
public:
    ClientMemory(FileSystem& fs, const std::string& state_dir, const RepositoryId& repository);

    const std::string& folder() const { return folder_; }
    // This client's writer id for this repository; made on first use.
    WriterId writer();
    // After another client turned out to use the same one (a cloned machine).
    WriterId new_writer();

    // Throws Error{tampered} where the config is another than what was seen: it is never written again, so one that says "not
    // encrypted" now is a forgery. The first one seen is remembered.
    void check_config(const Digest& config_id);
    void accept_config(const Digest& config_id);
    // Throws Error{tampered} where the repository is older or other than what was seen. A first contact is fine.
    void check(BlobStore& blobs, const HeadState& heads) const;
    // Are these the heads it remembers?
    bool knows(const HeadState& heads) const;
    // Durable when it returns. What it remembers must be durable in the repository.
    void remember(const HeadState& heads);

private:
    FileSystem& fs_;
    std::string folder_;
};

}  // namespace ingot
