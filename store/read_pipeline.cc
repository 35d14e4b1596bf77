#include "store/read_pipeline.h"

#include <fmt/format.h>
#include <oneapi/tbb/parallel_pipeline.h>

#include <algorithm>

#include "base/interrupt.h"
#include "store/pack_reader.h"

namespace ingot {
namespace {

// One read of neighbouring segments: large enough for the kernel's read-ahead to work, small enough to have several under way.
constexpr uint64_t kRunBytes = 4 << 20;
// A gap of unwanted segments up to this size is read over rather than seeked over.
constexpr uint64_t kGapBytes = 256 << 10;
constexpr size_t kTokens = 4;

// Wanted chunks [first, last) that lie in neighbouring segments of one pack.
struct Run {
    std::shared_ptr<const PackReader> pack;
    std::optional<Error> pack_error;
    size_t first = 0;
    size_t last = 0;
};

Error in_no_pack(const Digest& digest) {
    return {Code::damaged, fmt::format("a chunk ({}) is in no pack", digest.hex().substr(0, 16)),
            "a pack is missing: put it back from another copy of the repository, or use another snapshot"};
}

class Fetch {
public:
    Fetch(RepositoryCore& core, std::vector<WantedChunk>& wanted, ReadSink& sink, Progress& progress)
        : core_(core), wanted_(wanted), sink_(sink), progress_(progress) {}

    // The next run; empty at the end. In order, one thread.
    Run next() {
        check_interrupted();
        Run run;
        run.first = run.last = position_;
        if (position_ == wanted_.size()) return run;
        const PackNumber number = wanted_[position_].location.pack;
        open_pack(number);
        run.pack = pack_;
        run.pack_error = pack_error_;
        const auto& segments = pack_ ? pack_->segments() : kNone;
        const auto end_of = [&](size_t s) { return segments[s].offset + segments[s].length; };
        size_t segment = wanted_[position_].location.segment;
        while (run.last < wanted_.size() && wanted_[run.last].location.pack == number) {
            const size_t next = wanted_[run.last].location.segment;
            if (pack_ && next < segments.size() && next != segment &&
                (end_of(next) - segments[wanted_[run.first].location.segment].offset > kRunBytes ||
                 segments[next].offset - end_of(segment) > kGapBytes)) {
                break;
            }
            if (pack_ && next >= segments.size() && run.last > run.first) break;
            segment = next;
            ++run.last;
        }
        position_ = run.last;
        return run;
    }

    // Any thread.
    void deliver(const Run& run) {
        if (!run.pack) {
            lose(run.first, run.last, *run.pack_error);
            return;
        }
        thread_local Bytes sealed, plain;
        const auto& segments = run.pack->segments();
        const size_t first_segment = wanted_[run.first].location.segment;
        const size_t last_segment = wanted_[run.last - 1].location.segment;
        try {
            if (last_segment >= segments.size()) throw Error(Code::damaged, "the index points past a pack");
            run.pack->read_sealed(first_segment, last_segment - first_segment + 1, sealed);
        } catch (const Error& error) {
            if (error.code() != Code::damaged) throw;
            lose(run.first, run.last, error);
            return;
        }
        for (size_t from = run.first; from < run.last;) {
            const size_t segment = wanted_[from].location.segment;
            size_t to = from;
            while (to < run.last && wanted_[to].location.segment == segment) ++to;
            try {
                const uint64_t offset = segments[segment].offset - segments[first_segment].offset;
                run.pack->open_segment(segment, {sealed.data() + offset, segments[segment].length}, plain);
            } catch (const Error& error) {
                if (error.code() != Code::damaged) throw;
                lose(from, to, error);
                from = to;
                continue;
            }
            deliver_segment(*run.pack, segment, plain, from, to);
            from = to;
        }
    }

private:
    static const std::vector<SegmentEntry> kNone;

    void open_pack(PackNumber number) {
        if (opened_ == number && (pack_ || pack_error_)) return;
        opened_ = number;
        pack_.reset();
        pack_error_.reset();
        try {
            pack_ = std::make_shared<const PackReader>(*core_.blobs, core_.keys, core_.config.id, core_.pack_of(number).id);
        } catch (const Error& error) {
            if (error.code() != Code::damaged && error.code() != Code::not_found) throw;
            pack_error_ = error.as(Code::damaged);
        }
    }

    void deliver_segment(const PackReader& pack, size_t segment, const Bytes& plain, size_t from, size_t to) {
        const WantedChunk* verified = nullptr;  // the same chunk may be wanted many times
        for (size_t i = from; i < to; ++i) {
            const WantedChunk& chunk = wanted_[i];
            const Location& at = chunk.location;
            std::optional<Error> wrong;
            if (at.length != chunk.length || uint64_t{at.offset} + at.length > plain.size()) {
                wrong =
                    Error(Code::damaged, fmt::format("{}, segment {}: the index does not fit it", pack_name(pack.id()), segment));
            } else {
                const ByteView bytes(plain.data() + at.offset, at.length);
                const bool same = verified && verified->location == at && verified->digest == chunk.digest;
                if (same || sha256(bytes) == chunk.digest) {
                    verified = &chunk;
                    sink_.write(chunk.cookie, chunk.offset, bytes);
                    progress_.advance(chunk.length);
                    continue;
                }
                wrong = Error(Code::damaged,
                              fmt::format("{}, segment {}: a chunk is other than its name says", pack_name(pack.id()), segment));
            }
            sink_.lost(chunk.cookie, chunk.offset, chunk.length, *wrong);
        }
    }

    void lose(size_t from, size_t to, const Error& error) {
        for (size_t i = from; i < to; ++i) sink_.lost(wanted_[i].cookie, wanted_[i].offset, wanted_[i].length, error);
    }

    RepositoryCore& core_;
    std::vector<WantedChunk>& wanted_;
    ReadSink& sink_;
    Progress& progress_;
    size_t position_ = 0;
    PackNumber opened_ = 0;
    std::shared_ptr<const PackReader> pack_;
    std::optional<Error> pack_error_;
};

const std::vector<SegmentEntry> Fetch::kNone;

// Fills in locations, loses what is in no pack, and sorts the rest into pack order.
void locate(RepositoryCore& core, ChunkKind kind, std::vector<WantedChunk>& wanted, ReadSink& sink) {
    constexpr size_t kBatch = 4096;
    std::vector<ChunkId> ids;
    std::vector<std::optional<Location>> found;
    size_t kept = 0;
    for (size_t from = 0; from < wanted.size(); from += kBatch) {
        const size_t n = std::min(kBatch, wanted.size() - from);
        ids.clear();
        for (size_t i = 0; i < n; ++i) ids.push_back(core.id_of(kind, wanted[from + i].digest));
        found.assign(n, std::nullopt);
        core.lookup(ids, found);
        for (size_t i = 0; i < n; ++i) {
            WantedChunk chunk = wanted[from + i];
            if (!found[i]) {
                sink.lost(chunk.cookie, chunk.offset, chunk.length, in_no_pack(chunk.digest));
                continue;
            }
            chunk.location = *found[i];
            wanted[kept++] = chunk;
        }
    }
    wanted.resize(kept);
    std::ranges::sort(wanted, [](const WantedChunk& a, const WantedChunk& b) {
        return std::tuple(a.location.pack, a.location.segment, a.location.offset) <
               std::tuple(b.location.pack, b.location.segment, b.location.offset);
    });
}

}  // namespace

void fetch(RepositoryCore& core, ChunkKind kind, std::vector<WantedChunk>& wanted, ReadSink& sink, Progress& progress) {
    namespace tbb = oneapi::tbb;
    locate(core, kind, wanted, sink);
    Fetch fetch(core, wanted, sink, progress);
    tbb::parallel_pipeline(
        kTokens,
        tbb::make_filter<void, std::shared_ptr<Run>>(tbb::filter_mode::serial_in_order, [&](tbb::flow_control& control) {
            auto run = std::make_shared<Run>(fetch.next());
            if (run->first == run->last) control.stop();
            return run;
        }) & tbb::make_filter<std::shared_ptr<Run>, void>(tbb::filter_mode::parallel, [&](const std::shared_ptr<Run>& run) {
            fetch.deliver(*run);
        }));
}

}  // namespace ingot
