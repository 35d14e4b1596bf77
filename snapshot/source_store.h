// Streaming one pinned source into the store: its files as data, its listing as meta.
//
// Thread safety: one thread. Errors: a failure of the source puts it out (SourceRun::failed), any other is thrown.
// Lifetime: borrows all that it is made of.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/progress.h"
#include "snapshot/catalog.h"
#include "snapshot/files_cache.h"
#include "snapshot/pins.h"
#include "store/repository.h"

namespace ingot {

class SourceStore {
public:
    // `earlier`: the stack's snapshots so far, for the coverage contract and for the length of the progress bar.
    SourceStore(Repository& repository, WriteSession& session, const Stack& stack, const std::vector<Snapshot>& earlier,
                Progress& progress);

    // Lets sources that are read for the first time begin to copy what they must, while others are stored.
    void read_ahead(std::vector<SourceRun>& runs);
    // Streams the pin to its end, fills the record, and releases the pin.
    void store(SourceRun& run);
    // After the commit: what was stored may be remembered.
    void publish_caches();

    // Of data streams only.
    uint64_t bytes_read() const { return bytes_read_; }
    uint64_t chunks_new() const { return chunks_new_; }
    uint64_t bytes_new() const { return bytes_new_; }

private:
    std::string cache_path_of(const SourceRun& run) const;
    void stream(SourceRun& run);
    void put_data(StreamFeed& feed);
    uint64_t expected_bytes(const std::string& source) const;

    Repository& repository_;
    WriteSession& session_;
    const Stack& stack_;
    const std::vector<Snapshot>& earlier_;
    Progress& progress_;
    std::vector<std::unique_ptr<FilesCacheWriter>> caches_;
    uint64_t bytes_read_ = 0, chunks_new_ = 0, bytes_new_ = 0;
};

}  // namespace ingot
