// Streams and sections: where drivers and the store meet.
//
// A driver describes, the store cuts. A Stream is one named run of bytes of a source, read once from its start;
// it comes in sections, each of which says how it may be cut. The layouts of SQLite, tar or FAISS are therefore
// known in drivers/ only, and cutting in store/ only. Bytes a driver cannot parse are one `cdc` section.
//
// Thread safety: one thread at a time. Lifetime: a Stream must not outlive the Pin that opened it.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

namespace ingot {

// How a section may be cut into chunks.
enum class Cut : uint8_t {
    cdc,       // by content (FastCDC over a keyed gear table)
    blocks,    // every element_bytes * elements_per_block bytes, counted from the section's start
    whole,     // as one chunk where it is at most a chunk's limit (store/cut.h), else as cdc
    elements,  // by content, but only between elements, on average every elements_per_block of them: one element more or less
               // in the middle of a vector array changes one chunk, and a vector is never cut apart
};

// What the bytes are, for compression. Chunks of different classes never share a segment.
enum class Content : uint8_t { bytes = 0, f32 = 1 };

// The length of a section that ends where the stream ends (a command's output, a growing file).
inline constexpr uint64_t kToEnd = UINT64_MAX;

struct Section {
    uint64_t length_bytes = kToEnd;
    Cut cut = Cut::cdc;
    uint32_t element_bytes = 1;
    uint32_t elements_per_block = 0;  // for Cut::blocks, exactly; for Cut::elements, on average
    Content content = Content::bytes;

    static Section cdc() { return {}; }
    static Section blocks(uint64_t length_bytes, uint32_t element_bytes, uint32_t elements_per_block,
                          Content content = Content::bytes) {
        return {length_bytes, Cut::blocks, element_bytes, elements_per_block, content};
    }
    static Section elements(uint64_t length_bytes, uint32_t element_bytes, uint32_t average_elements,
                            Content content = Content::bytes) {
        return {length_bytes, Cut::elements, element_bytes, average_elements, content};
    }
};

class Stream {
public:
    virtual ~Stream() = default;

    // The next section, or nothing at the end of the stream. Called once the section before was read to its end.
    virtual std::optional<Section> next_section() = 0;

    // Reads up to out.size() bytes of the current section; 0 at its end. Throws Error{source}.
    virtual size_t read(std::span<uint8_t> out) = 0;

    // Called once after the last section was read: did the bytes read belong together?
    // False: the source changed while it was read, what was read is void, and the stream may be opened again.
    virtual bool settled() { return true; }
};

}  // namespace ingot
