#include "drivers/rdb_crc.h"

#include <endian.h>

#include <array>

namespace ingot {
namespace {

// The polynomial, its bits in reverse.
constexpr uint64_t kPolynomial = 0x95ac9329ac4bc9b5;
// Eight bytes at once ("slicing by 8"): table n is the CRC of a byte that n zero bytes follow.
constexpr size_t kSlices = 8;

using Tables = std::array<std::array<uint64_t, 256>, kSlices>;

constexpr Tables make_tables() {
    Tables tables{};
    for (uint64_t byte = 0; byte < 256; ++byte) {
        uint64_t crc = byte;
        for (int bit = 0; bit < 8; ++bit) crc = (crc & 1) != 0 ? (crc >> 1) ^ kPolynomial : crc >> 1;
        tables[0][byte] = crc;
    }
    for (size_t byte = 0; byte < 256; ++byte) {
        for (size_t n = 1; n < kSlices; ++n) {
            const uint64_t crc = tables[n - 1][byte];
            tables[n][byte] = tables[0][crc & 0xff] ^ (crc >> 8);
        }
    }
    return tables;
}

constexpr Tables kTables = make_tables();

}  // namespace

uint64_t rdb_crc(uint64_t before, ByteView bytes) {
    uint64_t crc = before;
    while (bytes.size() >= kSlices) {
        uint64_t word = 0;
        std::memcpy(&word, bytes.data(), sizeof word);
        crc ^= le64toh(word);
        uint64_t next = 0;
        for (size_t n = 0; n < kSlices; ++n) next ^= kTables[kSlices - 1 - n][(crc >> (8 * n)) & 0xff];
        crc = next;
        bytes = bytes.subspan(kSlices);
    }
    for (const uint8_t byte : bytes) crc = kTables[0][(crc ^ byte) & 0xff] ^ (crc >> 8);
    return crc;
}

}  // namespace ingot
