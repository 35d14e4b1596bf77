#include "store/verify_tree.h"

#include <map>

#include "store/meta_chunks.h"
#include "store/tree.h"

namespace ingot {
namespace {

// A node under one of its names: a wrong length beside the right digest is damage, and must be looked at.
using Named = std::pair<Digest, uint64_t>;

// Follows a tree down, and adds up what `value` says of its parts. What is below a node is asked once.
class Follower {
public:
    // Of one node (height above 0) or chunk; `length` is what it stands for.
    using Value = std::function<uint64_t(uint8_t height, const Digest&, uint64_t length)>;

    Follower(RepositoryCore& core, Value value) : meta_(core), value_(std::move(value)) {}

    uint64_t follow(const StreamRoot& root) {
        if (root.height > kMaxTreeHeight) throw Error(Code::damaged, "an impossible tree height");
        if (root.size == 0) return 0;
        return follow(root.height, root.digest, root.size);
    }

private:
    uint64_t follow(uint8_t height, const Digest& digest, uint64_t length) {
        if (height == 0) return value_(0, digest, length);
        const std::vector<TreeEntry> entries = decode_node(meta_.chunk(ChunkKind::meta, digest), height);
        uint64_t left = length;
        for (const TreeEntry& entry : entries) {
            if (entry.length > left) throw Error(Code::damaged, "a stream tree's lengths do not add up");
            left -= entry.length;
        }
        if (left != 0) throw Error(Code::damaged, "a stream tree's lengths do not add up");
        // What a node itself lost is all that it stands for.
        const uint64_t own = value_(height, digest, length);
        const auto child = static_cast<uint8_t>(height - 1);
        std::map<Named, uint64_t> of_this_node;
        std::map<Named, uint64_t>& known = child >= 2 ? known_[child] : of_this_node;
        uint64_t sum = 0;
        for (const TreeEntry& entry : entries) {
            if (child == 0) {
                sum += value_(0, entry.digest, entry.length);
                continue;
            }
            const auto found = known.find({entry.digest, entry.length});
            if (found != known.end()) {
                sum += found->second;
                continue;
            }
            const uint64_t below = follow(child, entry.digest, entry.length);
            known.emplace(Named{entry.digest, entry.length}, below);
            sum += below;
        }
        return own > 0 ? own : sum;
    }

    MetaChunks meta_;
    Value value_;
    std::map<uint8_t, std::map<Named, uint64_t>> known_;  // by height
};

}  // namespace

void each_part_of(RepositoryCore& core, ChunkKind kind, const StreamRoot& root, const std::function<void(const ChunkId&)>& each) {
    Follower(core, [&](uint8_t height, const Digest& digest, uint64_t) {
        each(core.id_of(height == 0 ? kind : ChunkKind::meta, digest));
        return uint64_t{0};
    }).follow(root);
}

uint64_t lost_bytes_of(RepositoryCore& core, ChunkKind kind, const StreamRoot& root,
                       const std::function<bool(const Location&)>& lost) {
    return Follower(core,
                    [&](uint8_t height, const Digest& digest, uint64_t length) {
                        const ChunkId id = core.id_of(height == 0 ? kind : ChunkKind::meta, digest);
                        std::optional<Location> location;
                        core.lookup({&id, 1}, {&location, 1});
                        return location && lost(*location) ? length : uint64_t{0};
                    })
        .follow(root);
}

}  // namespace ingot
