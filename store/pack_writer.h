// Writing one pack: sealed segments are appended in order, then the directory; then it is synced and published.
//
// seal_segment() may be called for different segments from several threads at once; append() and finish() by one thread.
// Errors: Error{failed}; after one, the pack is abandoned. Nothing is visible before publish() returned.
#pragma once

#include <memory>
#include <vector>

#include "store/blob_store.h"
#include "store/pack_format.h"

namespace ingot {

// New chunks of one kind and content class, back to back: what is compressed and sealed as one.
struct SegmentDraft {
    Content content = Content::bytes;
    Bytes plain;
    std::vector<ChunkEntry> chunks;
};

struct SealedSegment {
    SegmentEntry entry;  // without its offset
    Bytes bytes;
};

class PackWriter {
public:
    PackWriter(BlobStore& blobs, const KeyRing& keys, const RepositoryId& repository, ChunkKind kind);

    ChunkKind kind() const { return header_.kind; }

    // Compresses and seals segment `number`, then opens the result again and compares it with the draft: a library or a memory
    // that errs is found here, not at a restore (restic #4523). Const and thread-safe.
    SealedSegment seal_segment(uint32_t number, const SegmentDraft& draft) const;

    // In the order of their numbers.
    void append(SealedSegment segment);
    uint64_t bytes_written() const;
    uint32_t segments() const { return static_cast<uint32_t>(segments_.size()); }

    // Directory and footer, sync, publish; then the directory is read back and compared. (I6)
    void publish();

    // After publish():
    const PackId& id() const { return id_; }
    const std::vector<SegmentEntry>& directory() const { return segments_; }

private:
    BlobStore& blobs_;
    RepositoryId repository_;
    PackHeader header_;
    std::array<uint8_t, kPackHeaderBytes> header_bytes_;
    Sealer segment_sealer_;
    Sealer directory_sealer_;
    std::unique_ptr<BlobWriter> blob_;
    std::vector<SegmentEntry> segments_;
    PackId id_;
};

}  // namespace ingot
