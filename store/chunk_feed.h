// The first stage of storing: streams are read and cut into chunks, many at a time.
//
// Thread safety: one thread. Errors: Error{source} of a stream goes to StreamFeed::read_to_end; all else is thrown.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "base/progress.h"
#include "store/cut.h"
#include "store/write_session.h"

namespace ingot {

struct CutChunk {
    uint32_t offset = 0;  // in the batch's buffer
    uint32_t length = 0;
    Content content = Content::bytes;
    bool of_long_stream = false;  // of more than kPlainDigestLimitBytes, as its sections said so far
};

// A stream ended after the batch's first `chunks` chunks.
struct StreamEnd {
    size_t chunks = 0;
    bool failed = false;  // its reader threw: what was cut of it belongs to nothing
};

// About 2 MiB of cut bytes, of one stream or of many small ones. Chunks belong to the stream whose end comes next.
class ChunkBatch {
public:
    static constexpr size_t kFillBytes = 2 << 20;
    // Very small files would otherwise make a batch of millions of streams.
    static constexpr size_t kMostStreams = 16'384;
    // One chunk more than the fill, which may lie uncut at its end, and one read.
    static constexpr size_t kCapacityBytes = kFillBytes + 2 * kMaxChunkBytes;

    ChunkBatch() : buffer_(std::make_unique_for_overwrite<uint8_t[]>(kCapacityBytes)) {}
    uint8_t* data() { return buffer_.get(); }
    ByteView bytes(const CutChunk& chunk) const { return {buffer_.get() + chunk.offset, chunk.length}; }
    void clear() {
        size = 0;
        chunks.clear();
        ends.clear();
    }

    size_t size = 0;
    std::vector<CutChunk> chunks;
    std::vector<StreamEnd> ends;

private:
    std::unique_ptr<uint8_t[]> buffer_;
};

class ChunkFeed {
public:
    ChunkFeed(StreamFeed& feed, const Cutter& cutter, Progress& progress) : feed_(feed), cutter_(cutter), progress_(progress) {}

    // Fills an empty batch. False at the end of all streams, with the batch empty.
    bool fill(ChunkBatch& batch);
    uint64_t bytes_read() const { return bytes_read_; }

private:
    bool next_stream();
    bool next_section();
    void read_some(ChunkBatch& batch);
    void cut(ChunkBatch& batch);
    size_t next_cut(ByteView uncut) const;
    void end_stream(ChunkBatch& batch, bool settled, const Error* error);

    StreamFeed& feed_;
    const Cutter& cutter_;
    Progress& progress_;
    Stream* stream_ = nullptr;
    bool in_section_ = false;
    bool section_ended_ = false;
    Section section_;
    uint64_t section_left_ = 0;
    uint64_t stream_bytes_ = 0;  // of the stream's sections so far, where they say how long they are
    uint32_t block_bytes_ = 0;
    std::optional<ElementCuts> elements_;
    size_t uncut_from_ = 0;  // in the batch
    Bytes carry_;            // uncut bytes between batches
    uint64_t bytes_read_ = 0;
};

}  // namespace ingot
