// Reading an RDB file from its header to its CRC, item by item.
//
// Versions 1 to 12, and 80 (Valkey 9). What is not known (a type or an opcode of a later version) ends the reading, and is said:
// a file that cannot be understood is kept as it is, never guessed at.
//
// Thread safety: one thread. Errors: Error{damaged}; what the handler throws.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "drivers/rdb_input.h"

namespace ingot {

inline constexpr int64_t kNeverExpires = -1;

struct RdbKey {
    uint32_t db = 0;
    std::string key;
    uint8_t type = 0;
    int64_t expire_ms = kNeverExpires;  // since 1970
    std::optional<uint64_t> idle_s;     // under an LRU policy
    std::optional<uint8_t> frequency;   // under an LFU policy
    uint64_t value_offset = 0;          // in the file
    uint64_t value_bytes = 0;
};

class RdbHandler {
public:
    virtual ~RdbHandler() = default;
    virtual void aux(const std::string& name, const std::string& value) = 0;
    virtual void function(std::string code) = 0;
    // With its opcode, as it is written. `after`: it stands after the keys.
    virtual void module_aux(Bytes raw, bool after) = 0;
    // `in` stands at the value's end: in.since(key.value_offset) are its bytes.
    virtual void key(const RdbKey& key, const RdbInput& in) = 0;
};

struct RdbRead {
    std::string magic;      // "REDIS" or "VALKEY"
    int version = 0;        // of the format
    bool has_crc = true;    // false: the server was told to make none (rdbchecksum no)
    std::string not_known;  // why it could not be read to its end; empty: it was, and its CRC is right
};

RdbRead read_rdb(const RdbBytes& bytes, RdbHandler& handler);

}  // namespace ingot
