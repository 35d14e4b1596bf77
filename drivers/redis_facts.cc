#include "drivers/redis_facts.h"

#include <fnmatch.h>

#include <algorithm>

namespace ingot {

RedisPattern redis_pattern(const std::string& text) {
    const size_t slash = text.find('/');
    const std::string number = text.substr(0, slash);
    const bool is_number = slash != std::string::npos && !number.empty() && number.size() < 6 &&
                           std::all_of(number.begin(), number.end(), [](char c) { return c >= '0' && c <= '9'; });
    if (!is_number) return {0, text};
    return {static_cast<uint32_t>(std::stoul(number)), text.substr(slash + 1)};
}

RedisFacts::RedisFacts(const std::map<std::string, std::string>& patterns) {
    for (const auto& [name, text] : patterns) counted_[name] = Counted{redis_pattern(text), 0};
}

void RedisFacts::key(const RdbKey& key) {
    ++keys_;
    ++dbs_[key.db];
    if (key.expire_ms != kNeverExpires) ++expires_;
    for (auto& [name, counted] : counted_) {
        if (counted.db != key.db) continue;
        // A key with a NUL is matched up to that.
        if (::fnmatch(counted.pattern.c_str(), key.key.c_str(), 0) == 0) ++counted.keys;
    }
}

Facts RedisFacts::facts(const RdbRead& read, const std::map<std::string, std::string>& fields, uint64_t functions) const {
    Facts out;
    out["rdb_version"] = int64_t{read.version};
    for (const char* name : {"redis-ver", "valkey-ver"}) {
        if (const auto found = fields.find(name); found != fields.end()) out["version"] = found->second;
    }
    if (!read.not_known.empty()) {
        out["read"] = "no: " + read.not_known;
        return out;
    }
    out["keys"] = keys_;
    out["expires"] = expires_;
    out["databases"] = static_cast<int64_t>(dbs_.size());
    out["functions"] = static_cast<int64_t>(functions);
    for (const auto& [name, counted] : counted_) out[name] = counted.keys;
    return out;
}

}  // namespace ingot
