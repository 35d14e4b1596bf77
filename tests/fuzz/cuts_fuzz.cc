// Sections and cuts (base/stream.h, store/chunk_feed.h): whatever sections a driver hands out, the chunks are the stream's bytes.
//
// Input: u8 count of sections; each: u8 cut, u8 content, u32 element bytes, u32 elements per block, u32 length (its lowest bit:
// to the end); then the bytes.
#include <algorithm>
#include <utility>

#include "base/progress.h"
#include "store/chunk_feed.h"
#include "store/write_session.h"
#include "tests/fuzz/fuzz.h"

namespace ingot::fuzz {
namespace {

constexpr uint8_t kMostSections = 8;

class FuzzStream : public Stream {
public:
    explicit FuzzStream(Input& input) {
        const auto count = static_cast<uint8_t>(input.u8() % (kMostSections + 1));
        for (uint8_t i = 0; i < count; ++i) {
            Section section;
            section.cut = static_cast<Cut>(input.u8() % 4);
            section.content = static_cast<Content>(input.u8() % 2);
            section.element_bytes = input.u32();
            section.elements_per_block = input.u32();
            section.length_bytes = input.u32();
            sections_.push_back(section);
        }
        bytes_ = input.rest();
        // As D2 says: sections cover the stream exactly, unless the last is to the end.
        uint64_t left = bytes_.size();
        for (Section& section : sections_) {
            section.length_bytes = left == 0 ? 0 : section.length_bytes % (left + 1);
            left -= section.length_bytes;
        }
        Section last;
        last.length_bytes = left % 2 == 0 ? left : kToEnd;
        sections_.push_back(last);
    }

    std::optional<Section> next_section() override {
        if (next_ == sections_.size()) return std::nullopt;
        left_ = std::min<uint64_t>(sections_[next_].length_bytes, bytes_.size() - at_);
        return sections_[next_++];
    }
    size_t read(std::span<uint8_t> out) override {
        // In uneven pieces: cuts must not depend on how much comes at a time.
        const auto n = static_cast<size_t>(std::min<uint64_t>({out.size(), left_, 1 + (at_ * 31) % 9'000}));
        std::copy_n(bytes_.begin() + static_cast<std::ptrdiff_t>(at_), n, out.begin());
        at_ += n;
        left_ -= n;
        return n;
    }
    ByteView bytes() const { return bytes_; }

private:
    std::vector<Section> sections_;
    size_t next_ = 0;
    ByteView bytes_;
    size_t at_ = 0;
    uint64_t left_ = 0;
};

class OneStream : public StreamFeed {
public:
    explicit OneStream(Stream& stream) : stream_(stream) {}
    Stream* next() override { return std::exchange(given_, true) ? nullptr : &stream_; }
    void read_to_end(bool, const Error* error) override {
        if (error != nullptr) throw *error;
    }
    void stored(const StreamStored&) override {}

private:
    Stream& stream_;
    bool given_ = false;
};

}  // namespace

std::vector<Bytes> seeds() {
    Bytes content;
    for (size_t i = 0; i < 70'000; ++i) content.push_back(static_cast<uint8_t>(i * i >> 7));
    std::vector<Bytes> out;
    for (const Cut cut : {Cut::cdc, Cut::blocks, Cut::whole, Cut::elements}) {
        Encoder seed;
        seed.u8(1).u8(static_cast<uint8_t>(cut)).u8(1).u32(96).u32(8).u32(60'000).raw(content);
        out.push_back(seed.take());
    }
    return out;
}

}  // namespace ingot::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace ingot;
    using namespace ingot::fuzz;
    static const Bytes key(32, 9);
    static const Cutter cutter(key, CutParameters{});
    Input input(data, size);
    FuzzStream stream(input);
    OneStream feed(stream);
    SilentProgress progress;
    ChunkFeed chunks(feed, cutter, progress);
    static ChunkBatch batch;
    size_t at = 0;
    decode_or_error([&] {
        for (batch.clear(); chunks.fill(batch); batch.clear()) {
            for (const CutChunk& chunk : batch.chunks) {
                const ByteView bytes = batch.bytes(chunk);
                require(!bytes.empty() && bytes.size() <= kMaxChunkBytes, "a chunk of an impossible length");
                require(at + bytes.size() <= stream.bytes().size(), "more chunks than bytes");
                require(std::ranges::equal(bytes, stream.bytes().subspan(at, bytes.size())), "a chunk holds other bytes");
                at += bytes.size();
            }
        }
        require(at == stream.bytes().size(), "chunks do not cover the stream");
    });
    return 0;
}
