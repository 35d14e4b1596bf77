#include "restore/record_spool.h"

#include <algorithm>

#include "base/error.h"

namespace ingot {

// One write for many records.
static constexpr size_t kFlushBytes = 256 << 10;

void RecordSpool::append(ByteView record) {
    pending_.insert(pending_.end(), record.begin(), record.end());
    ends_.push_back(flushed_bytes_ + pending_.size());
    if (pending_.size() >= kFlushBytes) flush();
}

void RecordSpool::flush() {
    spool_.append(pending_);
    flushed_bytes_ += pending_.size();
    pending_.clear();
}

Bytes RecordSpool::read(size_t number) const {
    const uint64_t from = number == 0 ? 0 : ends_.at(number - 1);
    Bytes out(ends_.at(number) - from);
    if (from >= flushed_bytes_) {
        std::copy_n(pending_.begin() + static_cast<ptrdiff_t>(from - flushed_bytes_), out.size(), out.begin());
    } else if (spool_.read_at(from, out) != out.size()) {
        throw Error(Code::failed, "a spool is shorter than what was written to it");
    }
    return out;
}

}  // namespace ingot
