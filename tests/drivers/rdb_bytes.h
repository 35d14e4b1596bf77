// RDB bytes for tests, put together by hand.
#pragma once

#include <algorithm>

#include "drivers/rdb_crc.h"
#include "drivers/rdb_input.h"
#include "tests/drivers/test_folder.h"

namespace ingot {

inline RdbBytes rdb_bytes(const std::string& text) {
    return {text.size(), [&text](uint64_t offset, std::span<uint8_t> out) {
                const size_t n = std::min<size_t>(out.size(), text.size() - offset);
                std::copy_n(text.data() + offset, n, reinterpret_cast<char*>(out.data()));
                return n;
            }};
}

// Bytes from numbers and texts: b(0xfe, 0).
template <class... Parts>
std::string b(Parts... parts) {
    std::string out;
    const auto add = [&](auto part) {
        if constexpr (std::is_integral_v<decltype(part)>) {
            out += static_cast<char>(part);
        } else {
            out += part;
        }
    };
    (add(parts), ...);
    return out;
}

inline std::string rdb_text(const std::string& text) {
    Bytes out;
    put_rdb_string(out, text);
    return std::string(text_of(out));
}

// A whole file of these items.
inline std::string rdb_file(const std::string& items, const std::string& head = "REDIS0010") {
    std::string out = head + items + "\xff";
    Encoder crc;
    crc.u64(rdb_crc(0, view_of(out)));
    return out + std::string(text_of(crc.bytes()));
}

}  // namespace ingot
