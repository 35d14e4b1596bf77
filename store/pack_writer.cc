#include "store/pack_writer.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/step.h"

namespace ingot {

static PackHeader fresh_header(const KeyRing& keys, ChunkKind kind) {
    PackHeader header{kind, keys.sealed() ? best_seal() : Seal::none, keys.newest_epoch(), {}};
    random_bytes(header.salt);
    return header;
}

PackWriter::PackWriter(BlobStore& blobs, const KeyRing& keys, const RepositoryId& repository, ChunkKind kind)
    : blobs_(blobs),
      repository_(repository),
      header_(fresh_header(keys, kind)),
      header_bytes_(encode_pack_header(header_)),
      segment_sealer_(keys.pack_sealer(header_.seal, header_.epoch, repository, header_.salt)),
      directory_sealer_(keys.directory_sealer(header_.seal, repository, header_.salt)),
      blob_(blobs.begin()) {
    blob_->append(header_bytes_);
}

SealedSegment PackWriter::seal_segment(uint32_t number, const SegmentDraft& draft) const {
    SealedSegment sealed;
    sealed.entry.compression = compress(draft.plain, sealed.bytes, draft.content);
    sealed.entry.content = draft.content;
    sealed.entry.plain_length = static_cast<uint32_t>(draft.plain.size());
    sealed.entry.length = static_cast<uint32_t>(sealed.bytes.size());
    sealed.entry.chunks = draft.chunks;
    const Bytes associated = segment_associated_data(repository_, header_bytes_, number);
    sealed.entry.tag = segment_sealer_.seal(number, associated, sealed.bytes);
    sealed.entry.xxh3 = xxh3_64(sealed.bytes);

    thread_local Bytes opened, plain;
    opened.resize(sealed.bytes.size());
    segment_sealer_.unseal(number, associated, sealed.bytes, opened, sealed.entry.tag);
    decompress(sealed.entry.compression, opened, draft.plain.size(), plain);
    if (plain != draft.plain) {
        throw Error(Code::failed, "a segment did not survive compressing and sealing",
                    "the memory, the processor or a library errs on this machine: test the memory before you trust it");
    }
    return sealed;
}

void PackWriter::append(SealedSegment segment) {
    segment.entry.offset = blob_->size();
    blob_->append(segment.bytes);
    segments_.push_back(std::move(segment.entry));
}

uint64_t PackWriter::bytes_written() const { return blob_->size(); }

void PackWriter::publish() {
    const Bytes directory = encode_directory(segments_, header_bytes_, directory_sealer_, repository_);
    const PackFooter footer{blob_->size(), static_cast<uint32_t>(directory.size()), pack_id_of(header_bytes_, directory)};
    blob_->append(directory);
    blob_->append(encode_pack_footer(footer));
    id_ = footer.id;
    blob_->sync();
    step("pack.synced");
    const std::string name = pack_name(id_);
    if (!blob_->publish(name)) throw Error(Code::failed, fmt::format("{} exists already", name));
    step("pack.published");

    Bytes read_back(directory.size());
    if (blobs_.open(name)->read_at(footer.directory_offset, read_back) != read_back.size() || read_back != directory) {
        throw Error(Code::failed, fmt::format("{} reads back other than it was written", name), "the disk errs: check it");
    }
}

}  // namespace ingot
