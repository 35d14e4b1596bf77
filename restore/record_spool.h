// Encoded records in a spool: for lists that may be longer than memory should be. Only eight bytes of each stay in memory.
//
// Thread safety: one thread. Errors: Error{failed}, naming the spool's folder.
#pragma once

#include <vector>

#include "base/bytes.h"
#include "base/spool.h"

namespace ingot {

class RecordSpool {
public:
    explicit RecordSpool(const std::string& folder) : spool_(folder) {}

    size_t size() const { return ends_.size(); }
    void append(ByteView record);
    Bytes read(size_t number) const;

private:
    void flush();

    Spool spool_;
    Bytes pending_;  // not in the spool yet
    uint64_t flushed_bytes_ = 0;
    std::vector<uint64_t> ends_;
};

}  // namespace ingot
