// Reading RDB bytes in order: lengths, strings, and the CRC of what was read. Nothing is allocated by a length that is larger
// than what is left of the input.
//
// Thread safety: one thread. Lifetime: what RdbBytes reads from outlives it. Errors: Error{damaged}, with the offset; those of
// reading itself.
#pragma once

#include <string>
#include <string_view>

#include "base/bytes.h"
#include "drivers/rdb_format.h"

namespace ingot {

class RdbInput {
public:
    // The bytes [from, from + size); `size` is at most what is there.
    RdbInput(const RdbBytes& bytes, uint64_t from, uint64_t size);

    uint8_t byte() {
        if (at_ == end_) fill();
        return buffer_[at_++];
    }
    void raw(std::span<uint8_t> out);
    void skip(uint64_t count);
    uint64_t little(unsigned bytes);  // an integer of so many bytes
    uint64_t length();
    // A string as it is meant: decompressed, integers as decimal text.
    std::string string();
    void skip_string();

    uint64_t offset() const { return first_ + at_; }
    uint64_t left() const { return last_ - offset(); }
    // Of everything from the beginning to here.
    uint64_t crc();
    // The bytes [from, offset()).
    Bytes since(uint64_t from) const;
    [[noreturn]] void fail(std::string_view why) const;

private:
    struct Length {
        uint64_t value = 0;
        bool special = false;  // `value` is then a kind of string: 0 to 3
    };
    Length any_length();
    void fill();

    const RdbBytes& bytes_;
    Bytes buffer_;
    uint64_t first_;  // offset of the buffer's first byte
    uint64_t last_;   // offset of the end
    size_t at_ = 0;
    size_t end_ = 0;
    size_t summed_ = 0;  // of the buffer, in crc_ already
    uint64_t crc_ = 0;
};

// Decompresses LZF into exactly out.size() bytes; false where the bytes do not.
bool lzf_decompress(ByteView in, std::span<uint8_t> out);

// Appends a length or a string, uncompressed, in the shortest form.
void put_rdb_length(Bytes& out, uint64_t value);
void put_rdb_string(Bytes& out, std::string_view text);

}  // namespace ingot
