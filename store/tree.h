// The stream tree: a hash tree over a stream's chunks, its nodes cut by content too (docs/format.md, "Stream tree").
//
// Two versions of a stream share every node whose chunks are the same, so that storing, comparing and verifying a large stream
// that changed little costs little. Pure: no I/O. Thread safety: one thread. Errors: decode throws Error{damaged}.
#pragma once

#include <functional>
#include <vector>

#include "store/types.h"

namespace ingot {

struct TreeEntry {
    Digest digest;
    uint64_t length = 0;
};

inline constexpr size_t kMaxNodeBytes = 4 + 128 * 40;
// 8^21 entries are more than 2^64 bytes can be cut into.
inline constexpr uint8_t kMaxTreeHeight = 21;

class TreeBuilder {
public:
    // Called with each finished node, children before parents.
    using EmitNode = std::function<void(const Digest& digest, Bytes node)>;

    void add(const Digest& digest, uint64_t length, const EmitNode& emit);
    // The root of what was added. The builder is empty afterwards.
    StreamRoot finish(const EmitNode& emit);

private:
    void add_at(size_t level, const TreeEntry& entry, const EmitNode& emit);
    void close(size_t level, const EmitNode& emit);

    std::vector<std::vector<TreeEntry>> levels_;
    uint64_t size_ = 0;
};

std::vector<TreeEntry> decode_node(ByteView node, uint8_t height);

}  // namespace ingot
