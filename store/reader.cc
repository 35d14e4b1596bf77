#include "store/reader.h"

#include <fmt/format.h>

#include <exception>
#include <future>
#include <utility>

#include "store/meta_chunks.h"
#include "store/read_pipeline.h"
#include "store/repository.h"
#include "store/tree.h"

namespace ingot {
namespace {

// Chunks wanted at once: about 15 MiB of bookkeeping, and 1.5 to 2 GiB of data to put in pack order. While they are fetched, the
// next are looked up. The first are few, so that the medium and all cores have work soon.
constexpr size_t kWindowChunks = 128 << 10;
constexpr size_t kFirstWindowChunks = 16 << 10;

void walk_node(MetaChunks& meta, ChunkKind kind, uint8_t height, const Digest& digest, uint64_t length,
               const std::function<bool(const Digest&, uint64_t)>& each, bool& going) {
    if (height == 0) {
        if (length > 0) going = each(digest, length);
        return;
    }
    const std::vector<TreeEntry> entries = decode_node(meta.chunk(ChunkKind::meta, digest), height);
    uint64_t left = length;  // counted down: a sum could wrap, and bytes be delivered far outside of the stream
    for (const TreeEntry& entry : entries) {
        if (entry.length > left) throw Error(Code::damaged, "a stream tree's lengths do not add up");
        left -= entry.length;
    }
    if (left != 0) throw Error(Code::damaged, "a stream tree's lengths do not add up");
    for (const TreeEntry& entry : entries) {
        if (going) walk_node(meta, kind, static_cast<uint8_t>(height - 1), entry.digest, entry.length, each, going);
    }
}

class MemorySink : public ReadSink {
public:
    explicit MemorySink(Bytes& out) : out_(out) {}
    void write(uint64_t, uint64_t offset, ByteView bytes) override { copy_bytes(bytes, std::span(out_).subspan(offset)); }

private:
    Bytes& out_;
};

class SpoolSink : public ReadSink {
public:
    explicit SpoolSink(Spool& spool) : spool_(spool) {}
    void write(uint64_t, uint64_t offset, ByteView bytes) override { spool_.write_at(offset, bytes); }

private:
    Spool& spool_;
};

// Gives `root` once, then nothing.
std::function<std::optional<ReadRequest>()> only(const StreamRoot& root) {
    return [root, given = false]() mutable -> std::optional<ReadRequest> {
        if (std::exchange(given, true)) return std::nullopt;
        return ReadRequest{root, 0};
    };
}

}  // namespace

void ReadSink::lost(uint64_t, uint64_t, uint64_t, const Error& error) { throw error; }

Reader::Reader(Repository& repository) : repository_(repository) {}
Reader::~Reader() = default;

namespace {

// Fetches what was located before beside the caller, who waits for it in the end, or before there is more.
class FetchBeside {
public:
    FetchBeside(const RepositoryCore& core, ReadSink& sink, Progress& progress) : core_(core), sink_(sink), progress_(progress) {}
    FetchBeside(const FetchBeside&) = delete;
    FetchBeside& operator=(const FetchBeside&) = delete;
    ~FetchBeside() {
        if (running_.valid()) running_.wait();
    }

    void start(LocatedChunks located) {
        finish();
        located_ = std::move(located);
        running_ = std::async(std::launch::async, [this] { fetch(core_, located_, sink_, progress_); });
    }
    void finish() {
        if (running_.valid()) running_.get();
    }

private:
    const RepositoryCore& core_;
    ReadSink& sink_;
    Progress& progress_;
    LocatedChunks located_;
    std::future<void> running_;
};

}  // namespace

void Reader::read(ChunkKind kind, const std::function<std::optional<ReadRequest>()>& next, ReadSink& sink, Progress& progress) {
    RepositoryCore& core = repository_.core();
    MetaChunks meta(core);
    FetchBeside beside(core, sink, progress);
    size_t enough = kFirstWindowChunks;
    std::vector<WantedChunk> window;
    window.reserve(1024);
    while (const auto request = next()) {
        uint64_t offset = 0;
        std::exception_ptr ended;  // by what the sink or the medium said of earlier chunks: not this stream's damage
        const auto want = [&](const Digest& digest, uint64_t length) {
            window.push_back({digest, {}, request->cookie, offset, length});
            offset += length;
            if (window.size() < enough) return true;
            enough = kWindowChunks;
            try {
                beside.start(locate(core, kind, std::exchange(window, {}), sink));
            } catch (...) {
                ended = std::current_exception();
            }
            return ended == nullptr;
        };
        bool going = true;
        try {
            if (request->root.height > kMaxTreeHeight) throw Error(Code::damaged, "an impossible tree height");
            walk_node(meta, kind, request->root.height, request->root.digest, request->root.size, want, going);
        } catch (const Error& error) {
            if (error.code() != Code::damaged) throw;
            sink.lost(request->cookie, offset, request->root.size - offset, error);
        }
        if (ended) std::rethrow_exception(ended);
    }
    const LocatedChunks rest = locate(core, kind, std::move(window), sink);
    beside.finish();
    fetch(core, rest, sink, progress);
}

Spool Reader::to_spool(ChunkKind kind, const StreamRoot& root, const std::string& folder) {
    Spool spool(folder);
    SpoolSink sink(spool);
    SilentProgress silent;
    read(kind, only(root), sink, silent);
    return spool;
}

Bytes Reader::to_memory(ChunkKind kind, const StreamRoot& root, uint64_t limit_bytes) {
    if (root.size > limit_bytes)
        throw Error(Code::damaged, fmt::format("a stream of {} bytes where at most {} are expected", root.size, limit_bytes));
    Bytes out(root.size);
    MemorySink sink(out);
    SilentProgress silent;
    read(kind, only(root), sink, silent);
    return out;
}

void Reader::walk(ChunkKind kind, const StreamRoot& root, const std::function<bool(const Digest&, uint64_t)>& each) {
    if (root.height > kMaxTreeHeight) throw Error(Code::damaged, "an impossible tree height");
    MetaChunks meta(repository_.core());
    bool going = true;
    walk_node(meta, kind, root.height, root.digest, root.size, each, going);
}

}  // namespace ingot
