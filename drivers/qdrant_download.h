// One archive under way from the server into a nameless spool, in a thread of its own: a shard's stream, or a snapshot of a whole
// collection that the server makes first, and that is deleted there afterwards, whatever happens.
//
// Spooled and not streamed into the store: while a stream is under way the server keeps its segments frozen, and it gives up on a
// reader that is too slow.
// Thread safety: one thread, beside its own. Errors: Error{source} (a torn archive too), Error{interrupted}.
#pragma once

#include <condition_variable>
#include <exception>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "base/spool.h"
#include "drivers/qdrant_api.h"
#include "drivers/qdrant_record.h"

namespace ingot {

class QdrantDownload {
public:
    // `shard`: its stream; nothing: a snapshot of the whole collection.
    QdrantDownload(const QdrantSettings& settings, std::string collection, std::optional<uint32_t> shard,
                   const std::string& spool_dir, Code code = Code::source);
    QdrantDownload(const QdrantDownload&) = delete;
    QdrantDownload& operator=(const QdrantDownload&) = delete;
    ~QdrantDownload() = default;  // ends it where it is under way

    // Returns once what is written to the collection from now on is not in the archive: a frozen segment's first member came; or
    // the server said that the snapshot is made.
    void wait_pinned();
    // Returns once it is here, whole.
    void wait();
    const Spool& spool() const { return spool_; }
    TarBytes bytes() const;
    // By the server; of a whole collection, after wait_pinned().
    const std::string& checksum() const { return made_.checksum; }
    // Where the server's snapshot could not be deleted: a line for the person. After wait().
    const std::string& note() const { return note_; }

private:
    void work(const std::stop_token& stop);
    void take(ByteView bytes);
    void pinned();

    const QdrantSettings& settings_;
    const std::string collection_;
    const std::optional<uint32_t> shard_;
    const Code code_;
    Spool spool_;
    QdrantArchiveCheck check_;
    TarWalk walk_;
    QdrantSnapshotFile made_;
    std::string note_;
    std::mutex mutex_;
    std::condition_variable changed_;
    bool pinned_ = false, ended_ = false;
    std::exception_ptr error_;
    std::jthread thread_;  // the last: joined before the rest goes
};

}  // namespace ingot
