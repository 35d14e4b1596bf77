// The name of one restore: 16 hexadecimal digits, random.
#pragma once

#include <string>

#include "store/hash.h"

namespace ingot {

inline std::string new_restore_id() {
    std::array<uint8_t, 8> bytes{};
    random_bytes(bytes);
    return to_hex(bytes);
}

}  // namespace ingot
