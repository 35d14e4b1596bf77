// What a walk of a tree found, kept in a spool: a pin of ten million entries does not fit in memory.
//
//   record    u16 shared, prefixed suffix, entry, stat, kind's own
//     shared    bytes that the path has in common with the record before
//     entry     u8 type, u8 flags (1 sparse, 2 growing, 4 problem), u32 mode, uid, gid, i64 mtime, u64 size, prefixed link,
//               u32 major, u32 minor, u32 n, n * (prefixed name, prefixed value)
//     stat      u64 device, inode, links, i64 ctime, u64 names (a digest of a folder's names)
//     problem   prefixed text, prefixed hint: this entry could not be read
// in blocks of u32 length, then the bytes. Never leaves the process; not a format of the repository.
//
// Thread safety: one thread at a time. Errors: Error{failed} of the spool.
#pragma once

#include <optional>

#include "base/spool.h"
#include "drivers/entry.h"

namespace ingot {

struct PinnedStat {
    uint64_t device = 0;
    uint64_t inode = 0;
    int64_t mtime_ns = 0;
    int64_t ctime_ns = 0;
    uint64_t size = 0;

    bool operator==(const PinnedStat&) const = default;
};

struct TreeRecord {
    Entry entry;
    PinnedStat stat;
    uint64_t names_digest = 0;  // of a folder's names, in order
    bool unreadable = false;    // then `problem` says why, and of the entry only the path counts
    std::string problem;
    std::string hint;
};

class TreeRecordWriter {
public:
    explicit TreeRecordWriter(Spool& spool) : spool_(spool) {}
    void write(const TreeRecord& record);
    void flush();

private:
    Spool& spool_;
    Encoder block_;
    std::string last_path_;
};

class TreeRecordReader {
public:
    explicit TreeRecordReader(const Spool& spool) : spool_(spool), size_(spool.size()) {}
    std::optional<TreeRecord> next();

private:
    const Spool& spool_;
    uint64_t size_;
    uint64_t offset_ = 0;
    Bytes block_;
    size_t at_ = 0;
    std::string last_path_;
};

}  // namespace ingot
