#include "drivers/rdb_input.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "drivers/rdb_crc.h"

namespace ingot {
namespace {

// One read of the file; small enough to stay in the processor's cache.
constexpr size_t kBufferBytes = 256 << 10;
// LZF's best: a match of 264 bytes in three. What claims more is no LZF, and is not allocated for.
constexpr uint64_t kMostLzfRatio = 264;

}  // namespace

RdbInput::RdbInput(const RdbBytes& bytes, uint64_t from, uint64_t size)
    : bytes_(bytes), buffer_(static_cast<size_t>(std::min<uint64_t>(kBufferBytes, size))), first_(from), last_(from + size) {}

void RdbInput::fail(std::string_view why) const { throw Error(Code::damaged, fmt::format("RDB, at byte {}: {}", offset(), why)); }

void RdbInput::fill() {
    crc();
    first_ += at_;
    at_ = end_ = summed_ = 0;
    const auto wanted = static_cast<size_t>(std::min<uint64_t>(buffer_.size(), last_ - first_));
    if (wanted == 0) fail("it ends too early");
    end_ = bytes_.read_at(first_, std::span(buffer_).first(wanted));
    if (end_ == 0) fail("it is shorter than it was");
}

uint64_t RdbInput::crc() {
    crc_ = rdb_crc(crc_, ByteView(buffer_).subspan(summed_, at_ - summed_));
    summed_ = at_;
    return crc_;
}

void RdbInput::raw(std::span<uint8_t> out) {
    if (out.size() > left()) fail("it ends too early");
    while (!out.empty()) {
        if (at_ == end_) fill();
        const size_t n = std::min(out.size(), end_ - at_);
        std::copy_n(buffer_.data() + at_, n, out.data());
        at_ += n;
        out = out.subspan(n);
    }
}

void RdbInput::skip(uint64_t count) {
    if (count > left()) fail("it ends too early");
    while (count > 0) {
        if (at_ == end_) fill();
        const auto n = static_cast<size_t>(std::min<uint64_t>(count, end_ - at_));
        at_ += n;
        count -= n;
    }
}

uint64_t RdbInput::little(unsigned bytes) {
    uint64_t out = 0;
    for (unsigned i = 0; i < bytes; ++i) out |= uint64_t{byte()} << (8 * i);
    return out;
}

RdbInput::Length RdbInput::any_length() {
    const uint8_t first = byte();
    switch (first >> 6) {
        case 0:
            return {first & 0x3fu, false};
        case 1:
            return {(uint64_t{first & 0x3fu} << 8) | byte(), false};
        case 3:
            return {first & 0x3fu, true};
        default:
            break;
    }
    if (first != 0x80 && first != 0x81) fail("no length begins so");
    uint64_t out = 0;
    for (int i = first == 0x80 ? 4 : 8; i > 0; --i) out = (out << 8) | byte();
    return {out, false};
}

uint64_t RdbInput::length() {
    const Length length = any_length();
    if (length.special) fail("a string stands where a length is meant");
    return length.value;
}

std::string RdbInput::string() {
    const Length length = any_length();
    if (!length.special) {
        if (length.value > left()) fail("a string is longer than the rest of the file");
        std::string out(static_cast<size_t>(length.value), '\0');
        raw({reinterpret_cast<uint8_t*>(out.data()), out.size()});
        return out;
    }
    switch (length.value) {
        case 0:
            return fmt::format("{}", static_cast<int8_t>(little(1)));
        case 1:
            return fmt::format("{}", static_cast<int16_t>(little(2)));
        case 2:
            return fmt::format("{}", static_cast<int32_t>(little(4)));
        case 3:
            break;
        default:
            fail("no string is encoded so");
    }
    const uint64_t packed = this->length();
    const uint64_t size = this->length();
    if (packed > left()) fail("a compressed string is longer than the rest of the file");
    if (size > packed * kMostLzfRatio) fail("a compressed string claims more bytes than it can hold");
    Bytes in(static_cast<size_t>(packed));
    raw(in);
    std::string out(static_cast<size_t>(size), '\0');
    if (!lzf_decompress(in, {reinterpret_cast<uint8_t*>(out.data()), out.size()})) fail("a compressed string is damaged");
    return out;
}

void RdbInput::skip_string() {
    const Length length = any_length();
    if (!length.special) return skip(length.value);
    switch (length.value) {
        case 0:
            return skip(1);
        case 1:
            return skip(2);
        case 2:
            return skip(4);
        case 3: {
            const uint64_t packed = this->length();
            this->length();
            return skip(packed);
        }
        default:
            fail("no string is encoded so");
    }
}

Bytes RdbInput::since(uint64_t from) const {
    Bytes out(static_cast<size_t>(offset() - from));
    if (from >= first_) {
        std::copy_n(buffer_.data() + (from - first_), out.size(), out.data());
    } else if (bytes_.read_at(from, out) != out.size()) {
        fail("it is shorter than it was");
    }
    return out;
}

// Marc Lehmann's LZF, as Redis writes it: a control byte below 32 is a run of that many + 1 literals; else its three high bits
// are the match's length (7: one more byte of it), the rest and the next byte how far back it lies.
bool lzf_decompress(ByteView in, std::span<uint8_t> out) {
    size_t from = 0;
    size_t to = 0;
    while (from < in.size()) {
        const size_t control = in[from++];
        if (control < 32) {
            const size_t run = control + 1;
            if (run > in.size() - from || run > out.size() - to) return false;
            std::copy_n(in.data() + from, run, out.data() + to);
            from += run;
            to += run;
            continue;
        }
        size_t length = control >> 5;
        if (length == 7) {
            if (from == in.size()) return false;
            length += in[from++];
        }
        length += 2;
        if (from == in.size()) return false;
        const size_t back = ((control & 0x1f) << 8 | in[from++]) + 1;
        if (back > to || length > out.size() - to) return false;
        // Byte by byte: a match may overlap what it writes.
        for (; length > 0; --length, ++to) out[to] = out[to - back];
    }
    return to == out.size();
}

void put_rdb_length(Bytes& out, uint64_t value) {
    const auto big_endian = [&](int bytes) {
        for (int i = bytes - 1; i >= 0; --i) out.push_back(static_cast<uint8_t>(value >> (8 * i)));
    };
    if (value < 1 << 6) {
        out.push_back(static_cast<uint8_t>(value));
    } else if (value < 1 << 14) {
        out.push_back(static_cast<uint8_t>(0x40 | value >> 8));
        out.push_back(static_cast<uint8_t>(value));
    } else if (value <= UINT32_MAX) {
        out.push_back(0x80);
        big_endian(4);
    } else {
        out.push_back(0x81);
        big_endian(8);
    }
}

void put_rdb_string(Bytes& out, std::string_view text) {
    put_rdb_length(out, text.size());
    out.insert(out.end(), text.begin(), text.end());
}

}  // namespace ingot
