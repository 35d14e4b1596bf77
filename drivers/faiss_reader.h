// Reading a FAISS file field by field, believing nothing: every length is compared with what is left of the file before it is
// used.
//
// Thread safety: one thread. Errors: Error{source} naming the offset and the field.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "drivers/faiss_layout.h"

namespace ingot {

constexpr uint32_t fourcc(const char (&letters)[5]) {
    return static_cast<uint32_t>(static_cast<uint8_t>(letters[0])) |
           static_cast<uint32_t>(static_cast<uint8_t>(letters[1])) << 8 |
           static_cast<uint32_t>(static_cast<uint8_t>(letters[2])) << 16 |
           static_cast<uint32_t>(static_cast<uint8_t>(letters[3])) << 24;
}
// The four letters, made printable.
std::string fourcc_text(uint32_t letters);

class FaissReader {
public:
    // An array as FAISS writes it: u64 count, then the elements. `offset` is where the elements begin.
    struct Table {
        uint64_t offset = 0;
        uint64_t count = 0;
        uint64_t bytes = 0;
        uint64_t end() const { return offset + bytes; }
    };

    FaissReader(const ReadAt& read_at, uint64_t size_bytes) : read_at_(&read_at), size_(size_bytes) {}

    uint64_t offset() const { return offset_; }
    uint64_t left() const { return size_ - offset_; }

    // One field; `what` names it for the error.
    template <class T>
    T field(std::string_view what) {
        std::array<uint8_t, sizeof(T)> bytes;
        take(bytes, what);
        T value;
        std::memcpy(&value, bytes.data(), sizeof value);
        return value;
    }
    uint8_t u8(std::string_view what) { return field<uint8_t>(what); }
    int32_t i32(std::string_view what) { return field<int32_t>(what); }
    uint32_t u32(std::string_view what) { return field<uint32_t>(what); }
    int64_t i64(std::string_view what) { return field<int64_t>(what); }
    uint64_t u64(std::string_view what) { return field<uint64_t>(what); }
    bool flag(std::string_view what);  // 0 or 1

    void skip(uint64_t bytes, std::string_view what);
    // `count` elements, which FAISS writes without their count.
    Table elements(uint64_t count, uint64_t element_bytes, std::string_view what);
    // An array behind its count. Nothing of it is read.
    Table table(uint64_t element_bytes, std::string_view what);

    // All values of a table in order, read in pieces of kPieceBytes: each(index, value).
    template <class T, class Each>
    void for_each(const Table& table, Each each) {
        std::vector<uint8_t> piece;
        uint64_t index = 0;
        for (uint64_t at = table.offset; index < table.count;) {
            const uint64_t count = std::min<uint64_t>(kPieceBytes / sizeof(T), table.count - index);
            piece.resize(count * sizeof(T));
            read_fully(at, piece);
            for (uint64_t i = 0; i < count; ++i) {
                T value;
                std::memcpy(&value, piece.data() + i * sizeof(T), sizeof value);
                each(index++, value);
            }
            at += piece.size();
        }
    }
    // One value of a table.
    template <class T>
    T value(const Table& table, uint64_t index) {
        std::array<uint8_t, sizeof(T)> bytes;
        read_fully(table.offset + index * sizeof(T), bytes);
        T value;
        std::memcpy(&value, bytes.data(), sizeof value);
        return value;
    }

    // Throws Error{source} unless `fine`; `what` says what is wrong.
    void check(bool fine, std::string_view what) const {
        if (!fine) fail(what);
    }
    [[noreturn]] void fail(std::string_view what) const;

    // Large enough that a call costs little beside the bytes, small enough for any stack of tables read side by side.
    static constexpr uint64_t kPieceBytes = 64 << 10;

private:
    void take(std::span<uint8_t> out, std::string_view what);
    void read_fully(uint64_t offset, std::span<uint8_t> out) const;

    const ReadAt* read_at_;
    uint64_t size_;
    uint64_t offset_ = 0;
    std::vector<uint8_t> ahead_;  // fields are small and close to each other: they are read from here
    uint64_t ahead_at_ = 0;
};

// Counts of a FAISS file multiply; a product that does not fit is more than any file has.
uint64_t saturating_product(uint64_t a, uint64_t b);

}  // namespace ingot
