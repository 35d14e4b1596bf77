// The later stages of storing: chunks that are new go into segments, segments into packs; streams get their trees.
//
//   hash(batch)                 any thread    digests and ids, many at once
//   take(batch, ...)            in order      look up; new chunks into segment drafts; trees; decides which pack a segment is of
//   seal(jobs)                  any thread    compress, seal, open again and compare
//   write(jobs)                 in order      append to packs; full packs go to the publisher thread, which makes them durable
//                                             and puts their chunks into the index, those of several packs together
//   flush()                     at the end    everything durable and in the index
//
// A chunk is known when the index has it in a live pack, or when it is pending: in a draft, or in a pack that the index does not
// have yet.
// Thread safety: as above. After any error it refuses further work.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "store/chunk_feed.h"
#include "store/pack_writer.h"
#include "store/pending_chunks.h"
#include "store/repository_core.h"
#include "store/tree.h"

namespace ingot {

// A pack in the making. Segments are numbered by take(), appended by write().
struct OpenPack {
    explicit OpenPack(RepositoryCore& core, ChunkKind kind) : writer(*core.blobs, core.keys, core.config.id, kind) {}
    PackWriter writer;
    uint32_t segments = 0;  // numbered so far
    uint32_t chunks = 0;
    std::atomic<uint64_t> bytes = 0;  // appended so far
};

struct SegmentJob {
    std::shared_ptr<OpenPack> pack;
    uint32_t number = 0;
    SegmentDraft draft;
    SealedSegment sealed;
    bool closes_pack = false;
};

struct HashedBatch {
    ChunkBatch batch;
    std::vector<Digest> digests;
    std::vector<ChunkId> ids;
    std::vector<SegmentJob> jobs;
};

class Packer {
public:
    explicit Packer(RepositoryCore& core);
    ~Packer();

    void hash(HashedBatch& batch, ChunkKind kind) const;
    void take(HashedBatch& batch, ChunkKind kind, StreamFeed& feed);
    static void seal(std::vector<SegmentJob>& jobs);
    void write(std::vector<SegmentJob>& jobs);
    void flush();

    SessionTotals& totals() { return totals_; }

private:
    // The stream whose chunks are coming in.
    struct StreamState {
        TreeBuilder tree;
        StreamStored stored;
        Sha256 plain;
        bool hashing = false;  // of the whole: from the first chunk on, up to kPlainDigestLimitBytes
        Digest first_chunk;
        uint64_t size = 0;
    };
    struct Draft {
        SegmentDraft segment;
        std::shared_ptr<OpenPack> pack;
    };

    std::vector<std::optional<Location>> look_up(std::span<const ChunkId> ids) const;
    void add_chunk(ChunkKind kind, Content content, const ChunkId& id, ByteView bytes, std::vector<SegmentJob>& jobs);
    void cut_draft(ChunkKind kind, std::vector<SegmentJob>& jobs);
    void end_stream(StreamEnd end, StreamFeed& feed);
    void add_nodes(std::vector<SegmentJob>& jobs);
    void publish(OpenPack& pack);
    void index_gathered();
    void take_indexed();
    void publish_loop();
    void throw_if_failed();
    Draft& draft_of(ChunkKind kind) { return drafts_[kind == ChunkKind::data ? 0 : 1]; }

    RepositoryCore& core_;
    SessionTotals totals_;
    StreamState stream_;
    std::array<Draft, 2> drafts_;
    std::vector<std::pair<ChunkId, Bytes>> nodes_;  // of this batch, to be looked up together
    PendingChunks pending_;
    // Every chunk that the index has is pending still: it was empty at first. Asking it would tell nothing.
    bool all_pending_;

    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<std::shared_ptr<OpenPack>> to_publish_;
    std::vector<PackContents> indexed_;  // their chunks are in the index
    std::string index_damage_;           // what was found while they were put there
    size_t publishing_ = 0;              // in the queue or under way
    bool stopping_ = false;
    std::exception_ptr failure_;
    // Of the publisher, and of flush() when the publisher has nothing to do: published, but their chunks not yet in the index.
    std::vector<PackContents> gathered_;
    size_t gathered_chunks_ = 0;
    std::thread publisher_;
};

// Runs all stages over the feed's streams, several batches under way at once (store/write_pipeline.cc).
void run_write_pipeline(ChunkFeed& chunks, Packer& packer, ChunkKind kind, StreamFeed& feed);

}  // namespace ingot
