// Reading one pack: its directory, and its segments.
//
// Thread safety: const members from any thread. Errors: Error{damaged} names the pack; Error{not_found}.
#pragma once

#include <memory>

#include "store/blob_store.h"
#include "store/pack_format.h"

namespace ingot {

class PackReader {
public:
    // Reads header, footer and directory, and checks them against the pack's id. With `drop_cache` the kernel's cached pages
    // are given up first, so that what is read is what the medium holds.
    PackReader(BlobStore& blobs, const KeyRing& keys, const RepositoryId& repository, const PackId& id, bool drop_cache = false);

    const PackId& id() const { return id_; }
    ChunkKind kind() const { return header_.kind; }
    uint64_t size() const { return size_; }
    const std::vector<SegmentEntry>& segments() const { return segments_; }

    // Says that these will be read soon.
    void will_read(size_t first, size_t count) const;
    // The sealed bytes of segments first..first+count-1, in one read.
    void read_sealed(size_t first, size_t count, Bytes& out) const;
    // Unseals and decompresses one segment's sealed bytes (overwritten) into `plain`.
    void open_segment(size_t number, std::span<uint8_t> sealed, Bytes& plain) const;

private:
    [[noreturn]] void damaged(const std::string& why) const;

    PackId id_;
    RepositoryId repository_;
    std::unique_ptr<ReadFile> file_;
    uint64_t size_ = 0;
    PackHeader header_;
    std::array<uint8_t, kPackHeaderBytes> header_bytes_{};
    std::unique_ptr<Sealer> segment_sealer_;
    std::vector<SegmentEntry> segments_;
};

}  // namespace ingot
