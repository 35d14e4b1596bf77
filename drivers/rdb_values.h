// The values of an RDB: where each ends, and the one form of those whose order says nothing.
//
// The members of a set or hash that is a hash table come in the table's order, which a restart of the server or a resize changes
// at random. Sorted by their encoded bytes two dumps of one state are the same bytes. Lists, streams, sorted sets and all packed
// encodings (intset, listpack) are in an order of their own, and are left as they are.
//
// Thread safety: pure functions. Errors: Error{damaged}.
#pragma once

#include <cstdint>
#include <string>

#include "base/spool.h"
#include "drivers/rdb_input.h"

namespace ingot {

// Reads past a value of this type. False, with nothing read, where the type is not known.
bool skip_rdb_value(RdbInput& in, uint8_t type);
// Reads past the data of a module: `kRdbModule2` and `kRdbModuleAux` after their opcode. For the latter: is it to be loaded after
// the keys?
bool skip_rdb_module(RdbInput& in, bool aux);

// Do values of this type have an order that says nothing?
bool rdb_value_has_free_order(uint8_t type);
// Writes the value [from, from + size) of such a type with its members sorted. Larger ones than `memory_bytes` are sorted through
// a spool in `spool_dir`.
void write_sorted_value(const RdbBytes& bytes, uint64_t from, uint64_t size, uint8_t type, const std::string& spool_dir,
                        size_t memory_bytes, const std::function<void(ByteView)>& write);

}  // namespace ingot
