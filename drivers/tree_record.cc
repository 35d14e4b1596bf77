#include "drivers/tree_record.h"

#include <algorithm>

namespace ingot {
namespace {

// Large enough that a block costs one write for some thousand records.
constexpr size_t kBlockBytes = 256 << 10;
// A path or an attribute is at most 64 KiB; anything larger in our own spool is our own mistake.
constexpr size_t kTextLimit = 1 << 20;

constexpr uint8_t kSparse = 1, kGrowing = 2, kProblem = 4;

}  // namespace

void TreeRecordWriter::write(const TreeRecord& record) {
    const Entry& entry = record.entry;
    const size_t limit = std::min({entry.path.size(), last_path_.size(), size_t{UINT16_MAX}});
    size_t shared = 0;
    while (shared < limit && entry.path[shared] == last_path_[shared]) ++shared;
    block_.u16(static_cast<uint16_t>(shared)).prefixed(std::string_view(entry.path).substr(shared));
    last_path_ = entry.path;

    block_.u8(static_cast<uint8_t>(entry.type));
    block_.u8(
        static_cast<uint8_t>((entry.sparse ? kSparse : 0) | (entry.growing ? kGrowing : 0) | (record.unreadable ? kProblem : 0)));
    block_.u32(entry.mode).u32(entry.uid).u32(entry.gid).i64(entry.mtime_ns).u64(entry.size).prefixed(entry.link);
    block_.u32(entry.device_major).u32(entry.device_minor).u32(static_cast<uint32_t>(entry.xattrs.size()));
    for (const auto& [name, value] : entry.xattrs) block_.prefixed(name).prefixed(value);
    block_.u64(record.stat.device)
        .u64(record.stat.inode)
        .i64(record.stat.mtime_ns)
        .i64(record.stat.ctime_ns)
        .u64(record.stat.size);
    block_.u64(record.names_digest);
    if (record.unreadable) block_.prefixed(record.problem).prefixed(record.hint);
    if (block_.size() >= kBlockBytes) flush();
}

void TreeRecordWriter::flush() {
    if (block_.size() == 0) return;
    Encoder length;
    length.u32(static_cast<uint32_t>(block_.size()));
    spool_.append(length.bytes());
    spool_.append(block_.bytes());
    block_ = Encoder();
}

std::optional<TreeRecord> TreeRecordReader::next() {
    if (at_ == block_.size()) {
        if (offset_ == size_) return std::nullopt;
        uint8_t length_bytes[4];
        spool_.read_at(offset_, length_bytes);
        const uint32_t length = Decoder(length_bytes, "pinned tree").u32();
        block_.resize(std::min<uint64_t>(length, size_ - offset_));
        spool_.read_at(offset_ + 4, block_);
        offset_ += 4 + uint64_t{length};
        at_ = 0;
    }
    Decoder in(ByteView(block_).subspan(at_), "pinned tree");
    TreeRecord record;
    Entry& entry = record.entry;
    const uint16_t shared = in.u16();
    if (shared > last_path_.size()) in.fail("a path shares more than there was");
    entry.path = last_path_.substr(0, shared) + in.prefixed_text(kTextLimit);
    last_path_ = entry.path;
    entry.type = static_cast<EntryType>(in.u8());
    const uint8_t flags = in.u8();
    entry.sparse = (flags & kSparse) != 0;
    entry.growing = (flags & kGrowing) != 0;
    record.unreadable = (flags & kProblem) != 0;
    entry.mode = in.u32();
    entry.uid = in.u32();
    entry.gid = in.u32();
    entry.mtime_ns = in.i64();
    entry.size = in.u64();
    entry.link = in.prefixed_text(kTextLimit);
    entry.device_major = in.u32();
    entry.device_minor = in.u32();
    const uint32_t attributes = in.count(8);
    for (uint32_t i = 0; i < attributes; ++i) {
        std::string name = in.prefixed_text(kTextLimit);
        entry.xattrs.emplace_back(std::move(name), in.prefixed_text(kTextLimit));
    }
    record.stat.device = in.u64();
    record.stat.inode = in.u64();
    record.stat.mtime_ns = in.i64();
    record.stat.ctime_ns = in.i64();
    record.stat.size = in.u64();
    record.names_digest = in.u64();
    if (record.unreadable) {
        record.problem = in.prefixed_text(kTextLimit);
        record.hint = in.prefixed_text(kTextLimit);
    }
    at_ = block_.size() - in.left();
    return record;
}

}  // namespace ingot
