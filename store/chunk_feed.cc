#include "store/chunk_feed.h"

#include <algorithm>

#include "base/error.h"
#include "base/interrupt.h"

namespace ingot {

static constexpr size_t kReadBytes = 256 << 10;

bool ChunkFeed::fill(ChunkBatch& batch) {
    check_interrupted();
    batch.clear();
    std::copy(carry_.begin(), carry_.end(), batch.data());
    batch.size = carry_.size();
    uncut_from_ = 0;
    carry_.clear();
    while (batch.size < ChunkBatch::kFillBytes && batch.ends.size() < ChunkBatch::kMostStreams) {
        if (!stream_ && !next_stream()) break;
        std::optional<Error> failure;
        std::optional<bool> settled;
        try {
            if (in_section_ || next_section()) {
                read_some(batch);
            } else {
                settled = stream_->settled();
            }
        } catch (const Error& error) {
            if (error.code() != Code::source) throw;
            failure = error;
        }
        // Outside of the try: what the feed throws is its decision to give up, not the stream's failure.
        if (failure) {
            end_stream(batch, false, &*failure);
        } else if (settled) {
            end_stream(batch, *settled, nullptr);
        } else {
            cut(batch);
        }
    }
    carry_.assign(batch.data() + uncut_from_, batch.data() + batch.size);
    return !batch.chunks.empty() || !batch.ends.empty() || !carry_.empty();
}

bool ChunkFeed::next_stream() {
    stream_ = feed_.next();
    stream_bytes_ = 0;
    in_section_ = false;
    return stream_ != nullptr;
}

bool ChunkFeed::next_section() {
    const auto section = stream_->next_section();
    if (!section) return false;
    section_ = *section;
    section_left_ = section->length_bytes;
    // Lengths may be made up by a damaged file: a sum that wraps makes no difference but to what is hashed in vain.
    if (section_left_ != kToEnd) stream_bytes_ += section_left_;
    block_bytes_ = block_length(*section);
    elements_ = element_cuts(*section);
    if (section_.cut == Cut::whole && section_.length_bytes <= kMaxChunkBytes) {
        block_bytes_ = static_cast<uint32_t>(section_.length_bytes);
    }
    in_section_ = true;
    section_ended_ = section_left_ == 0;
    return true;
}

void ChunkFeed::read_some(ChunkBatch& batch) {
    if (section_ended_) return;
    const auto wanted = static_cast<size_t>(std::min<uint64_t>(kReadBytes, section_left_));
    const size_t n = stream_->read({batch.data() + batch.size, wanted});
    if (n == 0) {
        if (section_left_ != kToEnd) {
            throw Error(Code::source, "a stream ended before its section did", "the source changed while it was read: try again");
        }
        section_ended_ = true;
        return;
    }
    batch.size += n;
    bytes_read_ += n;
    progress_.advance(n);
    if (section_left_ != kToEnd) {
        section_left_ -= n;
        section_ended_ = section_left_ == 0;
    }
}

// The length of the next chunk, or 0 where more bytes are needed to tell.
size_t ChunkFeed::next_cut(ByteView uncut) const {
    if (uncut.empty()) return 0;
    if (block_bytes_ != 0) {
        if (uncut.size() >= block_bytes_) return block_bytes_;
        return section_ended_ ? uncut.size() : 0;
    }
    const uint32_t enough = elements_ ? elements_->max_bytes() : cutter_.parameters().max_bytes;
    if (uncut.size() < enough && !section_ended_) return 0;
    return elements_ ? cutter_.first_elements(uncut, *elements_) : cutter_.first_chunk(uncut);
}

void ChunkFeed::cut(ChunkBatch& batch) {
    while (const size_t length = next_cut({batch.data() + uncut_from_, batch.size - uncut_from_})) {
        batch.chunks.push_back({static_cast<uint32_t>(uncut_from_), static_cast<uint32_t>(length), section_.content,
                                stream_bytes_ > kPlainDigestLimitBytes});
        uncut_from_ += length;
    }
    if (section_ended_) in_section_ = false;
}

void ChunkFeed::end_stream(ChunkBatch& batch, bool settled, const Error* error) {
    batch.size = uncut_from_;  // of a stream that failed, what was not cut yet
    batch.ends.push_back({batch.chunks.size(), error != nullptr});
    stream_ = nullptr;
    feed_.read_to_end(settled, error);
}

}  // namespace ingot
