// Bytes, their hexadecimal form, and the one codec of Ingot: little-endian, length-prefixed.
//
// Every on-disk layout in docs/format.md is written with Encoder and read with Decoder. A Decoder never
// reads past its input and never believes a length it has not compared with what is left: any lie in the
// bytes is Error{damaged}.
//
// Thread safety: none needed; values. A ByteView is borrowed for the call it is passed to.
#pragma once

#include <endian.h>

#include <array>
#include <cassert>
#include <compare>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ingot {

using Bytes = std::vector<uint8_t>;
using ByteView = std::span<const uint8_t>;

// To the beginning of `into`, which must have the room. std::ranges::copy between spans is a loop over bytes in gcc 12.
inline void copy_bytes(ByteView from, std::span<uint8_t> into) {
    assert(from.size() <= into.size());
    if (!from.empty()) std::memcpy(into.data(), from.data(), from.size());
}

inline ByteView view_of(std::string_view text) { return {reinterpret_cast<const uint8_t*>(text.data()), text.size()}; }
inline std::string_view text_of(ByteView bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

std::string to_hex(ByteView bytes);
// Throws Error{usage} when the text is not an even number of hexadecimal digits.
Bytes from_hex(std::string_view text);

// N bytes that name something. `Tag` keeps the names of different things apart.
template <class Tag, size_t N>
struct Name {
    std::array<uint8_t, N> bytes{};

    auto operator<=>(const Name&) const = default;
    ByteView view() const { return bytes; }
    std::string hex() const { return to_hex(bytes); }
    // Throws Error{usage} unless the text is exactly 2N hexadecimal digits.
    static Name from_hex(std::string_view text) { return from(ingot::from_hex(text)); }
    // Throws Error{damaged} unless there are exactly N bytes.
    static Name from(ByteView raw) {
        check_name_length(raw.size(), N);
        Name name;
        std::memcpy(name.bytes.data(), raw.data(), N);
        return name;
    }
    // The number that its first eight bytes write: names are in the order of these, and few share one.
    uint64_t first_eight() const {
        uint64_t value;
        std::memcpy(&value, bytes.data(), sizeof value);
        return be64toh(value);
    }
    // A hash for unordered containers: names are uniform already, eight bytes of one will do.
    struct Hash {
        size_t operator()(const Name& name) const {
            size_t value;
            std::memcpy(&value, name.bytes.data(), sizeof value);
            return value;
        }
    };

private:
    static void check_name_length(size_t got, size_t wanted);
};

[[noreturn]] void throw_name_length(size_t got, size_t wanted);

template <class Tag, size_t N>
void Name<Tag, N>::check_name_length(size_t got, size_t wanted) {
    if (got != wanted) throw_name_length(got, wanted);
}

// SHA-256 of some plaintext.
using Digest = Name<struct DigestTag, 32>;

class Encoder {
public:
    Encoder& u8(uint8_t value);
    Encoder& u16(uint16_t value);
    Encoder& u32(uint32_t value);
    Encoder& u64(uint64_t value);
    Encoder& i64(int64_t value) { return u64(static_cast<uint64_t>(value)); }
    Encoder& raw(ByteView bytes);
    Encoder& raw(std::string_view text) { return raw(view_of(text)); }
    // u32 length, then the bytes.
    Encoder& prefixed(ByteView bytes);
    Encoder& prefixed(std::string_view text) { return prefixed(view_of(text)); }

    size_t size() const { return out_.size(); }
    const Bytes& bytes() const { return out_; }
    Bytes take() { return std::move(out_); }

private:
    Bytes out_;
};

class Decoder {
public:
    // `what` names the thing being read, for the error: "pack directory".
    Decoder(ByteView bytes, std::string_view what) : left_(bytes), what_(what) {}

    uint8_t u8();
    uint16_t u16();
    uint32_t u32();
    uint64_t u64();
    int64_t i64() { return static_cast<int64_t>(u64()); }
    ByteView raw(size_t length);
    // u32 length, at most `limit`, then the bytes.
    ByteView prefixed(size_t limit);
    std::string prefixed_text(size_t limit) { return std::string(text_of(prefixed(limit))); }
    template <class N>
    N name() {
        return N::from(raw(sizeof(N::bytes)));
    }
    // Reads these bytes or throws: magic numbers, reserved fields.
    void expect(ByteView bytes);
    void expect(std::string_view text) { expect(view_of(text)); }
    void expect_zeros(size_t count);
    // A count of elements of at least `element_bytes` each: must fit in what is left.
    uint32_t count(size_t element_bytes);

    size_t left() const { return left_.size(); }
    bool done() const { return left_.empty(); }
    // Throws unless everything was read.
    void finish();
    [[noreturn]] void fail(std::string_view why) const;

private:
    ByteView left_;
    std::string_view what_;
};

}  // namespace ingot
