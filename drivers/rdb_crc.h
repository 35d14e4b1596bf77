// CRC-64/Redis ("Jones"): polynomial 0xad93d23594c935a9, reflected, first value 0, no last xor. It ends every RDB file and every
// payload of DUMP and RESTORE.
//
// Thread safety: pure functions.
#pragma once

#include <cstdint>

#include "base/bytes.h"

namespace ingot {

// The CRC of what came before and `bytes`; 0 before the first.
uint64_t rdb_crc(uint64_t before, ByteView bytes);

}  // namespace ingot
