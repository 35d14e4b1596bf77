#include "base/bytes.h"

#include <fmt/format.h>

#include "base/error.h"

namespace ingot {

std::string to_hex(ByteView bytes) {
    static constexpr char kDigits[] = "0123456789abcdef";
    std::string out(bytes.size() * 2, '0');
    for (size_t i = 0; i < bytes.size(); ++i) {
        out[2 * i] = kDigits[bytes[i] >> 4];
        out[2 * i + 1] = kDigits[bytes[i] & 15];
    }
    return out;
}

static int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

Bytes from_hex(std::string_view text) {
    Bytes out(text.size() / 2);
    bool good = text.size() % 2 == 0;
    for (size_t i = 0; good && i < out.size(); ++i) {
        const int high = hex_digit(text[2 * i]);
        const int low = hex_digit(text[2 * i + 1]);
        good = high >= 0 && low >= 0;
        out[i] = static_cast<uint8_t>((high << 4) | low);
    }
    if (!good) {
        throw Error(Code::usage, fmt::format("\"{}\" is not a hexadecimal number", printable(text)));
    }
    return out;
}

void throw_name_length(size_t got, size_t wanted) {
    throw Error(Code::damaged, fmt::format("a name of {} bytes where {} were expected", got, wanted));
}

template <class T>
static void append_little_endian(Bytes& out, T value) {
    for (size_t i = 0; i < sizeof(T); ++i) out.push_back(static_cast<uint8_t>(value >> (8 * i)));
}

template <class T>
static T read_little_endian(ByteView bytes) {
    T value = 0;
    for (size_t i = 0; i < sizeof(T); ++i) {
        value = static_cast<T>(value | static_cast<T>(static_cast<T>(bytes[i]) << (8 * i)));
    }
    return value;
}

Encoder& Encoder::u8(uint8_t value) {
    out_.push_back(value);
    return *this;
}
Encoder& Encoder::u16(uint16_t value) {
    append_little_endian(out_, value);
    return *this;
}
Encoder& Encoder::u32(uint32_t value) {
    append_little_endian(out_, value);
    return *this;
}
Encoder& Encoder::u64(uint64_t value) {
    append_little_endian(out_, value);
    return *this;
}
Encoder& Encoder::raw(ByteView bytes) {
    out_.insert(out_.end(), bytes.begin(), bytes.end());
    return *this;
}
Encoder& Encoder::prefixed(ByteView bytes) { return u32(static_cast<uint32_t>(bytes.size())).raw(bytes); }

uint8_t Decoder::u8() { return raw(1)[0]; }
uint16_t Decoder::u16() { return read_little_endian<uint16_t>(raw(2)); }
uint32_t Decoder::u32() { return read_little_endian<uint32_t>(raw(4)); }
uint64_t Decoder::u64() { return read_little_endian<uint64_t>(raw(8)); }

ByteView Decoder::raw(size_t length) {
    if (length > left_.size()) fail("it ends too early");
    const ByteView out = left_.first(length);
    left_ = left_.subspan(length);
    return out;
}

ByteView Decoder::prefixed(size_t limit) {
    const uint32_t length = u32();
    if (length > limit) fail(fmt::format("a length of {} where at most {} is allowed", length, limit));
    return raw(length);
}

void Decoder::expect(ByteView bytes) {
    const ByteView got = raw(bytes.size());
    if (!std::equal(got.begin(), got.end(), bytes.begin())) {
        fail(fmt::format("{} where {} was expected", to_hex(got), to_hex(bytes)));
    }
}

void Decoder::expect_zeros(size_t count) {
    for (const uint8_t byte : raw(count)) {
        if (byte != 0) fail("a reserved field is not zero");
    }
}

uint32_t Decoder::count(size_t element_bytes) {
    const uint32_t n = u32();
    if (n > left_.size() / element_bytes) fail(fmt::format("a count of {} that cannot fit", n));
    return n;
}

void Decoder::finish() {
    if (!done()) fail(fmt::format("{} bytes too many", left_.size()));
}

void Decoder::fail(std::string_view why) const { throw Error(Code::damaged, fmt::format("{} is damaged: {}", what_, why)); }

}  // namespace ingot
