#include "restore/content.h"

#include <vector>

#include "base/interrupt.h"
#include "store/hash.h"

namespace ingot {
namespace {

// Live bytes are read and hashed in batches of about this size, so that several chunks are hashed at once.
constexpr size_t kBatchBytes = 4 << 20;

// Reads a file along the chunks of a stream.
class Comparison {
public:
    explicit Comparison(ReadFile& live) : live_(live), buffer_(kBatchBytes) {}

    // False: they differ, no more is needed.
    bool add(const Digest& digest, uint64_t length) {
        if (length > buffer_.size()) buffer_.resize(length);  // a chunk's limit; the reader checked it
        if (used_ + length > buffer_.size() && !finish()) return false;
        wanted_.push_back(digest);
        lengths_.push_back(length);
        used_ += length;
        return true;
    }

    bool finish() {
        check_interrupted();
        if (live_.read_at(offset_, std::span(buffer_).first(used_)) != used_) return false;
        std::vector<ByteView> chunks;
        ByteView rest = ByteView(buffer_).first(used_);
        for (const uint64_t length : lengths_) {
            chunks.push_back(rest.first(length));
            rest = rest.subspan(length);
        }
        std::vector<Digest> found(chunks.size());
        hash_many(chunks, found);
        const bool same = found == wanted_;
        offset_ += used_;
        used_ = 0;
        wanted_.clear();
        lengths_.clear();
        return same;
    }

private:
    ReadFile& live_;
    Bytes buffer_;
    std::vector<Digest> wanted_;
    std::vector<uint64_t> lengths_;
    uint64_t offset_ = 0;
    size_t used_ = 0;
};

}  // namespace

void RepositoryContent::read(const std::function<std::optional<ReadRequest>()>& next, ReadSink& sink) {
    reader_.read(ChunkKind::data, next, sink, progress_);
}

void RepositoryContent::walk(const StreamRoot& root, const std::function<bool(const Digest&, uint64_t length)>& each) {
    reader_.walk(ChunkKind::data, root, each);
}

bool same_content(SnapshotContent& content, const StreamRoot& root, ReadFile& live) {
    if (live.size() != root.size) return false;
    if (root.size == 0) return true;
    if (root.height == 0) {  // one chunk: the root is its digest
        Bytes bytes(root.size);
        return live.read_at(0, bytes) == bytes.size() && sha256(bytes) == root.digest;
    }
    Comparison comparison(live);
    bool same = true;
    content.walk(root, [&](const Digest& digest, uint64_t length) { return same = comparison.add(digest, length); });
    return same && comparison.finish();
}

}  // namespace ingot
