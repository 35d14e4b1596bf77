// Adding to a repository: streams first, then records, then one commit.
//
// Until commit() returned nothing is acknowledged: the destructor aborts, and leaves at most whole packs that the next session
// finds and reuses. The commit order is that of docs/format.md, section "Commit":
//   segments -> directory -> sync pack, publish, sync folder -> index flushed -> every pack is still there -> records -> head ->
//   client memory of the head -> commit() returns.                                                    (I1, I6, I11)
//
// Thread safety: one thread. Errors: any failure of the repository itself is Error{failed} or worse, and the session refuses
// further work; Error{source} comes only from the streams it reads. Lifetime: must not outlive its Repository.
#pragma once

#include <memory>
#include <optional>

#include "base/error.h"
#include "base/progress.h"
#include "base/stream.h"
#include "store/types.h"

namespace ingot {

class Repository;

// What became of one stream.
struct StreamStored {
    StreamRoot root;
    std::optional<Digest> sha256;  // of the whole, for streams of at most kPlainDigestLimitBytes
    uint64_t chunks = 0;
    uint64_t chunks_new = 0;
    uint64_t bytes_new = 0;  // plaintext of new data chunks
};

// The plain SHA-256 of a stream up to this size is computed while it is stored; of a larger one when it is first read back in
// order.
inline constexpr uint64_t kPlainDigestLimitBytes = 64ULL << 20;

// Streams to store, one after the other.
class StreamFeed {
public:
    virtual ~StreamFeed() = default;
    // The next stream, borrowed until the following call; null at the end. Throws Error{source} to give up on the source.
    virtual Stream* next() = 0;
    // The stream that next() returned was read to its end and settled so; or reading it threw `error` (of code source).
    // Rethrow to give up.
    virtual void read_to_end(bool settled, const Error* error) = 0;
    // Each stream that was read to its end without an error, in the order of next(); later, and from another thread.
    virtual void stored(const StreamStored& stream) = 0;
};

struct SessionTotals {
    uint64_t bytes_read = 0;
    uint64_t chunks = 0;
    uint64_t chunks_new = 0;
    uint64_t bytes_new = 0;     // plaintext of new data chunks
    uint64_t bytes_meta = 0;    // plaintext of new meta chunks
    uint64_t bytes_stored = 0;  // packs, records and heads written
};

class WriteSession {
public:
    virtual ~WriteSession() = default;

    virtual void put(ChunkKind kind, StreamFeed& feed, Progress& progress) = 0;
    // Makes all packs of what was put so far durable and known to the index, without committing anything.
    virtual void flush() = 0;
    // Seals a record; it is written by commit(). At most 64 MiB.
    virtual RecordId add_record(RecordKind kind, ByteView plaintext) = 0;
    // Marks a live record as removed, by commit(). Its file is deleted after the head is durable.
    virtual void remove_record(const RecordName& name) = 0;
    virtual void commit() = 0;
    virtual const SessionTotals& totals() const = 0;
};

}  // namespace ingot
