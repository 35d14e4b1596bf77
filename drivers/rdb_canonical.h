// One form for one state: an RDB file written again so that two dumps of the same data are the same bytes, whatever the order of
// the server's hash tables, and so that a small change of the data is a small change of the file.
//
//   dump      a valid RDB file of the same version: libraries of functions sorted, keys sorted by database and name, members of
//             sets and hashes sorted (drivers/rdb_values.h), fields that say nothing of the data left out
//   aux       those fields (ctime, used-mem, repl-id ...): "ingot-redis-aux 1\n", u32 count, then name and value, each prefixed
//   eviction  what an LRU or LFU policy knows of each key, in the dump's order: "ingot-redis-eviction 1\n", u8 kind (1 idle, 2
//             frequency), then for each key u32 idle seconds, or u8 frequency. Empty where no policy knows anything.
//
// A file that cannot be understood to its end is `raw`: its dump is the file as it came.
// Memory: about 128 MiB, however many keys; spools take about twice the file's size.
// Thread safety: one thread. Errors: Error{damaged}; those of Spool.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/spool.h"
#include "drivers/rdb_parse.h"

namespace ingot {

struct RdbDbCount {
    uint64_t keys = 0;
    uint64_t expires = 0;
};

struct CanonicalRdb {
    RdbRead read;
    std::unique_ptr<Spool> dump;
    Bytes aux;
    std::unique_ptr<Spool> eviction;  // null: there is none
    std::map<uint32_t, RdbDbCount> dbs;
    std::map<std::string, std::string> fields;  // all auxiliary fields
    uint64_t functions = 0;
    bool raw() const { return !read.not_known.empty(); }
};

struct CanonicalOptions {
    std::string spool_dir;
    // Only these databases, under these numbers; empty: all, under their own.
    std::map<uint32_t, uint32_t> dbs;
    // A key that is left out.
    std::string without;
    // Told of each key that is kept.
    std::function<void(const RdbKey&)> seen;
};

CanonicalRdb canonical_rdb(const RdbBytes& bytes, const CanonicalOptions& options);

RdbBytes bytes_of(const Spool& spool);

// What `aux` holds. Throws Error{damaged}.
std::map<std::string, std::string> decode_rdb_aux(ByteView bytes);

}  // namespace ingot
