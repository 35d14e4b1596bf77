#include "store/pack_reader.h"

#include <fmt/format.h>

#include "base/error.h"

namespace ingot {

PackReader::PackReader(BlobStore& blobs, const KeyRing& keys, const RepositoryId& repository, const PackId& id, bool drop_cache)
    : id_(id), repository_(repository) {
    const std::string name = pack_name(id);
    try {
        file_ = blobs.open(name);
        if (drop_cache) file_->drop_cache();
        size_ = file_->size();
        if (size_ < kPackHeaderBytes + kPackFooterBytes) damaged("it is cut short");
        std::array<uint8_t, kPackFooterBytes> footer_bytes{};
        if (file_->read_at(0, header_bytes_) != header_bytes_.size() ||
            file_->read_at(size_ - kPackFooterBytes, footer_bytes) != footer_bytes.size()) {
            damaged("it is cut short");
        }
        const PackFooter footer = decode_pack_footer(footer_bytes, size_);
        Bytes directory(footer.directory_length);
        if (file_->read_at(footer.directory_offset, directory) != directory.size()) damaged("it is cut short");
        if (footer.id != id || pack_id_of(header_bytes_, directory) != id) damaged("its directory is not the one its name says");
        header_ = decode_pack_header(header_bytes_);
        segments_ =
            decode_directory(directory, header_bytes_, keys.directory_sealer(header_.seal, repository, header_.salt), repository);
        const uint64_t end = segments_.empty() ? kPackHeaderBytes : segments_.back().offset + segments_.back().length;
        if (end != footer.directory_offset) damaged("its segments do not fill it");
        segment_sealer_ = std::make_unique<Sealer>(keys.pack_sealer(header_.seal, header_.epoch, repository, header_.salt));
    } catch (const Error& error) {
        if (error.code() == Code::damaged && std::string_view(error.what()).find(name) == std::string_view::npos)
            throw error.within(name);
        throw;
    }
}

void PackReader::damaged(const std::string& why) const { throw Error(Code::damaged, fmt::format("{}: {}", pack_name(id_), why)); }

void PackReader::will_read(size_t first, size_t count) const {
    const SegmentEntry& last = segments_.at(first + count - 1);
    const uint64_t from = segments_.at(first).offset;
    file_->will_need(from, last.offset + last.length - from);
}

void PackReader::read_sealed(size_t first, size_t count, Bytes& out) const {
    const SegmentEntry& last = segments_.at(first + count - 1);
    const uint64_t from = segments_.at(first).offset;
    out.resize(last.offset + last.length - from);
    if (file_->read_at(from, out) != out.size()) damaged("it is cut short");
}

void PackReader::open_segment(size_t number, std::span<uint8_t> sealed, Bytes& plain) const {
    const SegmentEntry& segment = segments_.at(number);
    try {
        if (xxh3_64(sealed) != segment.xxh3) throw Error(Code::damaged, "its checksum does not match");
        segment_sealer_->unseal(number, segment_associated_data(repository_, header_bytes_, number), sealed, segment.tag);
        decompress(segment.compression, sealed, segment.plain_length, plain);
    } catch (const Error& error) {
        throw error.within(fmt::format("{}, segment {}", pack_name(id_), number));
    }
}

}  // namespace ingot
