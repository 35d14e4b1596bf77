// What is known of a dump: numbers for evidence and invariants, counted while it is read.
//
// Thread safety: one thread. Errors: none of its own.
#pragma once

#include <map>
#include <string>

#include "drivers/driver.h"
#include "drivers/rdb_canonical.h"

namespace ingot {

// What a fact counts: the keys of one database that match a pattern, as Redis's KEYS takes it.
struct RedisPattern {
    uint32_t db = 0;
    std::string pattern;
};

// "session:*", or "1/session:*" for another database than 0.
RedisPattern redis_pattern(const std::string& text);

class RedisFacts {
public:
    // Name -> redis_pattern().
    explicit RedisFacts(const std::map<std::string, std::string>& patterns);

    void key(const RdbKey& key);
    Facts facts(const RdbRead& read, const std::map<std::string, std::string>& fields, uint64_t functions) const;

private:
    struct Counted : RedisPattern {
        int64_t keys = 0;
    };
    std::map<std::string, Counted> counted_;
    std::map<uint32_t, int64_t> dbs_;
    int64_t keys_ = 0;
    int64_t expires_ = 0;
};

}  // namespace ingot
