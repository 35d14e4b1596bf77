// What is known of a dump: numbers for evidence and invariants, counted while it is read.
//
// Thread safety: one thread. Errors: none of its own.
#pragma once

#include <map>
#include <string>

#include "drivers/driver.h"
#include "drivers/rdb_canonical.h"

namespace ingot {

class RedisFacts {
public:
    // Name -> pattern of keys, as Redis's KEYS takes it, in database 0; "N/" before it names another one.
    explicit RedisFacts(const std::map<std::string, std::string>& patterns);

    void key(const RdbKey& key);
    Facts facts(const RdbRead& read, const std::map<std::string, std::string>& fields, uint64_t functions) const;

private:
    struct Counted {
        uint32_t db = 0;
        std::string pattern;
        int64_t keys = 0;
    };
    std::map<std::string, Counted> counted_;
    std::map<uint32_t, int64_t> dbs_;
    int64_t keys_ = 0;
    int64_t expires_ = 0;
};

}  // namespace ingot
