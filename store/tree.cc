#include "store/tree.h"

#include "store/hash.h"

namespace ingot {

static constexpr uint8_t kNodeMagic = 0x4e;
// 32 entries on average: a leaf of 4 KiB pages then costs 1.3 KB where one page of 32 changed. Fewer would rewrite less and
// nest deeper; more would make each scattered change cost more than the page itself.
static constexpr size_t kLeastEntries = 8;
static constexpr size_t kMostEntries = 128;
static constexpr uint32_t kBoundary = 32;

static bool ends_node(const std::vector<TreeEntry>& entries) {
    if (entries.size() < kLeastEntries) return false;
    if (entries.size() == kMostEntries) return true;
    const auto& d = entries.back().digest.bytes;
    const uint32_t first =
        d[0] | static_cast<uint32_t>(d[1]) << 8 | static_cast<uint32_t>(d[2]) << 16 | static_cast<uint32_t>(d[3]) << 24;
    return first % kBoundary == 0;
}

void TreeBuilder::add(const Digest& digest, uint64_t length, const EmitNode& emit) {
    size_ += length;
    add_at(0, {digest, length}, emit);
}

void TreeBuilder::add_at(size_t level, const TreeEntry& entry, const EmitNode& emit) {
    if (level == levels_.size()) levels_.emplace_back();
    levels_[level].push_back(entry);
    if (ends_node(levels_[level])) close(level, emit);
}

void TreeBuilder::close(size_t level, const EmitNode& emit) {
    Encoder out;
    out.u8(kNodeMagic).u8(static_cast<uint8_t>(level + 1)).u16(static_cast<uint16_t>(levels_[level].size()));
    TreeEntry parent;
    for (const TreeEntry& entry : levels_[level]) {
        out.raw(entry.digest.view()).u64(entry.length);
        parent.length += entry.length;
    }
    levels_[level].clear();
    parent.digest = sha256(out.bytes());
    emit(parent.digest, out.take());
    add_at(level + 1, parent, emit);
}

StreamRoot TreeBuilder::finish(const EmitNode& emit) {
    StreamRoot root{0, sha256({}), size_};
    for (size_t level = 0; level < levels_.size(); ++level) {
        const bool top = level + 1 == levels_.size();
        if (top && levels_[level].size() == 1) {
            root.height = static_cast<uint8_t>(level);
            root.digest = levels_[level].front().digest;
            break;
        }
        if (!levels_[level].empty()) close(level, emit);
    }
    levels_.clear();
    size_ = 0;
    return root;
}

std::vector<TreeEntry> decode_node(ByteView node, uint8_t height) {
    Decoder in(node, "a node of a stream tree");
    if (in.u8() != kNodeMagic) in.fail("it does not begin like one");
    if (in.u8() != height) in.fail("it is of another height");
    const uint16_t count = in.u16();
    if (count == 0 || count > kMostEntries) in.fail("an impossible number of entries");
    std::vector<TreeEntry> entries(count);
    for (TreeEntry& entry : entries) {
        entry.digest = in.name<Digest>();
        entry.length = in.u64();
        if (entry.length == 0) in.fail("an empty entry");
    }
    in.finish();
    return entries;
}

}  // namespace ingot
