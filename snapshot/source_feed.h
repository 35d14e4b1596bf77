// The streams of one pinned source, fed to the store, and the listing that comes out of it.
//
//   SourceFeed feed(pin, cache, ...);
//   session.put(ChunkKind::data, feed, progress);     files whose fingerprint the cache knows are not read
//   feed.failure();                                    what could not be stored, if anything
//   Spool listing = feed.finish(next_cache);           the listing, complete with what the store said of each stream
//
// What the store says of a stream comes later than its entry, and from another thread; so entries and roots go to two spools, and
// finish() merges them. Memory does not grow with the number of entries.
//
// Thread safety: next() and read_to_end() by one thread, stored() by another; the rest after put() returned.
// Errors: an entry that cannot be read, or keeps changing, is left out and named by failure(); its siblings are stored all the
// same, so that one bad file does not cost the rest of the tree. Failures of our own spools are thrown as they are.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/error.h"
#include "base/progress.h"
#include "base/spool.h"
#include "drivers/driver.h"
#include "snapshot/files_cache.h"
#include "snapshot/listing.h"
#include "store/write_session.h"

namespace ingot {

struct FeedLimits {
    int tries = 3;               // of a stream that changed, or failed, while it was read
    int64_t moment_wall_ms = 0;  // the pin's; files changed right before it are not remembered
    std::string spool_dir;
};

struct FeedCounts {
    uint64_t entries = 0;
    uint64_t streams = 0;
    uint64_t bytes = 0;      // of all streams, those not read again too
    uint64_t chunks = 0;     // likewise
    bool only_roots = true;  // no entry beside those of `roots`
};

// Appends records to a spool in large writes.
class SpoolWriter {
public:
    explicit SpoolWriter(const std::string& folder) : spool_(folder) {}
    void write(ByteView bytes);
    // All of it, ready to be read from its start.
    Spool take();

private:
    Spool spool_;
    Bytes buffer_;
};

class SourceFeed : public StreamFeed {
public:
    SourceFeed(Pin& pin, FilesCacheReader& cache, FeedLimits limits, Progress& progress);

    Stream* next() override;
    void read_to_end(bool settled, const Error* error) override;
    void stored(const StreamStored& stream) override;

    // One sentence about all that failed; nothing where everything was stored. After put().
    std::optional<Error> failure() const;
    // `roots`: listing paths of the source's roots. `next_cache` may be null.
    Spool finish(FilesCacheWriter* next_cache, const std::vector<std::string>& roots);
    const FeedCounts& counts() const { return counts_; }
    // Nothing new to remember, and nothing of the cache was left over: the next one would be the same. Before finish().
    bool cache_unchanged() const;

private:
    std::optional<Entry> next_entry();
    std::optional<Entry> next_unread();
    void open();
    void keep();
    void leave_out(const Error& error);
    void drop_current();
    void set_aside(const Entry& entry, const CachedFile* cached, uint32_t voids);

    Pin& pin_;
    FilesCacheReader& cache_;
    FeedLimits limits_;
    Progress& progress_;
    SpoolWriter entries_;
    SpoolWriter roots_;
    std::optional<Entry> current_;  // being read
    std::unique_ptr<Stream> stream_;
    int tried_ = 0;
    uint32_t voids_ = 0;  // streams of the current entry that were read to their end for nothing
    std::optional<Error> first_failure_;
    uint64_t failures_ = 0;
    bool ended_ = false;
    FeedCounts counts_;
    uint64_t new_to_remember_ = 0;
    std::string last_path_;
};

// One spool as one stream, cut by content: a listing.
class SpoolFeed : public StreamFeed {
public:
    explicit SpoolFeed(const Spool& spool);
    ~SpoolFeed() override;
    Stream* next() override;
    void read_to_end(bool settled, const Error* error) override;
    void stored(const StreamStored& stream) override { root_ = stream.root; }
    const StreamRoot& root() const { return root_; }

private:
    std::unique_ptr<Stream> stream_;
    bool given_ = false;
    StreamRoot root_;
};

}  // namespace ingot
