#include "store/read_pipeline.h"

#include <fmt/format.h>
#include <oneapi/tbb/parallel_for.h>
#include <oneapi/tbb/parallel_pipeline.h>
#include <oneapi/tbb/parallel_sort.h>

#include <algorithm>
#include <deque>

#include "base/interrupt.h"
#include "store/pack_reader.h"

namespace ingot {
namespace {

// One read of neighbouring segments: large enough for the kernel's read-ahead to work, small enough to have several under way.
constexpr uint64_t kRunBytes = 4 << 20;
// A gap of unwanted segments up to this size is read over rather than seeked over.
constexpr uint64_t kGapBytes = 256 << 10;
constexpr size_t kTokens = 4;
// Runs the medium is told of before their turn: while all threads compute, it goes on reading.
constexpr size_t kRunsAhead = 6;

// Wanted chunks [first, last) that lie in neighbouring segments of one pack.
struct Run {
    std::shared_ptr<const PackReader> pack;
    std::optional<Error> pack_error;
    size_t first = 0;
    size_t last = 0;

    bool empty() const { return first == last; }
};

Error in_no_pack(const Digest& digest) {
    return {Code::damaged, fmt::format("a chunk ({}) is in no pack", digest.hex().substr(0, 16)),
            "a pack is missing: put it back from another copy of the repository, or use another snapshot"};
}

class Fetch {
public:
    Fetch(const RepositoryCore& core, const LocatedChunks& located, ReadSink& sink, Progress& progress)
        : core_(core), located_(located), wanted_(located.chunks), sink_(sink), progress_(progress) {}

    // The next run; empty at the end. In order, one thread.
    Run next() {
        check_interrupted();
        while (ahead_.size() < kRunsAhead && (ahead_.empty() || !ahead_.back().empty())) {
            ahead_.push_back(plan());
            const Run& run = ahead_.back();
            if (run.empty() || !run.pack) continue;
            const size_t first = wanted_[run.first].location.segment, last = wanted_[run.last - 1].location.segment;
            if (last < run.pack->segments().size()) run.pack->will_read(first, last - first + 1);
        }
        Run run = std::move(ahead_.front());
        if (!run.empty()) ahead_.pop_front();
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
    Run plan() {
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

    static const std::vector<SegmentEntry> kNone;

    void open_pack(PackNumber number) {
        if (opened_ == number && (pack_ || pack_error_)) return;
        opened_ = number;
        pack_.reset();
        pack_error_.reset();
        try {
            pack_ = std::make_shared<const PackReader>(*core_.blobs, core_.keys, core_.config.id, located_.packs.at(number));
        } catch (const Error& error) {
            if (error.code() != Code::damaged && error.code() != Code::not_found) throw;
            pack_error_ = error.as(Code::damaged);
        }
    }

    void deliver_segment(const PackReader& pack, size_t segment, const Bytes& plain, size_t from, size_t to) {
        // All at once, as hash_many likes it. The same chunk may be wanted many times; they lie side by side.
        std::vector<ByteView> inputs;
        std::vector<std::optional<size_t>> input_of(to - from);
        for (size_t i = from; i < to; ++i) {
            const Location& at = wanted_[i].location;
            if (at.length != wanted_[i].length || uint64_t{at.offset} + at.length > plain.size()) continue;
            const ByteView bytes(plain.data() + at.offset, at.length);
            const bool same = !inputs.empty() && inputs.back().data() == bytes.data() && inputs.back().size() == bytes.size();
            if (!same) inputs.push_back(bytes);
            input_of[i - from] = inputs.size() - 1;
        }
        std::vector<Digest> digests(inputs.size());
        hash_many(inputs, digests);
        // Neighbours in the segment that are neighbours in their stream are written as one: calls cost more than bytes.
        ByteView piece;
        const WantedChunk* first = nullptr;  // of the piece
        const auto write_piece = [&] {
            if (!first) return;
            sink_.write(first->cookie, first->offset, piece);
            progress_.advance(piece.size());
            first = nullptr;
        };
        for (size_t i = from; i < to; ++i) {
            const WantedChunk& chunk = wanted_[i];
            const std::optional<size_t> input = input_of[i - from];
            if (input && digests[*input] == chunk.digest) {
                const ByteView bytes = inputs[*input];
                const bool goes_on = first && chunk.cookie == first->cookie && chunk.offset == first->offset + piece.size() &&
                                     bytes.data() == piece.data() + piece.size();
                if (!goes_on) {
                    write_piece();
                    first = &chunk;
                    piece = bytes;
                } else {
                    piece = {piece.data(), piece.size() + bytes.size()};
                }
                continue;
            }
            write_piece();
            const char* const why = input ? "a chunk is other than its name says" : "the index does not fit it";
            sink_.lost(chunk.cookie, chunk.offset, chunk.length,
                       Error(Code::damaged, fmt::format("{}, segment {}: {}", pack_name(pack.id()), segment, why)));
        }
        write_piece();
    }

    void lose(size_t from, size_t to, const Error& error) {
        for (size_t i = from; i < to; ++i) sink_.lost(wanted_[i].cookie, wanted_[i].offset, wanted_[i].length, error);
    }

    const RepositoryCore& core_;
    const LocatedChunks& located_;
    const std::vector<WantedChunk>& wanted_;
    ReadSink& sink_;
    Progress& progress_;
    size_t position_ = 0;
    std::deque<Run> ahead_;  // planned; at the end an empty one
    PackNumber opened_ = 0;
    std::shared_ptr<const PackReader> pack_;
    std::optional<Error> pack_error_;
};

const std::vector<SegmentEntry> Fetch::kNone;

}  // namespace

// The index is asked in the order of its keys: each of its blocks is then opened once, where keys as they come would open it for
// every few of them.
LocatedChunks locate(RepositoryCore& core, ChunkKind kind, std::vector<WantedChunk> wanted, ReadSink& sink) {
    struct Asked {
        uint64_t first;  // bytes of the id, as a number: most comparisons need no more
        ChunkId id;
        uint32_t number;  // in `wanted`
        bool operator<(const Asked& other) const { return first != other.first ? first < other.first : id < other.id; }
    };
    std::vector<Asked> asked(wanted.size());
    oneapi::tbb::parallel_for(size_t{0}, wanted.size(), [&](size_t i) {
        const ChunkId id = core.id_of(kind, wanted[i].digest);
        asked[i] = {id.first_eight(), id, static_cast<uint32_t>(i)};
    });
    oneapi::tbb::parallel_sort(asked);
    std::vector<ChunkId> ids(asked.size());
    for (size_t i = 0; i < asked.size(); ++i) ids[i] = asked[i].id;
    std::vector<std::optional<Location>> found(asked.size());
    core.lookup(ids, found);
    std::vector<bool> missing(wanted.size(), false);
    for (size_t i = 0; i < asked.size(); ++i) {
        if (found[i]) wanted[asked[i].number].location = *found[i];
        missing[asked[i].number] = !found[i];
    }
    size_t kept = 0;
    for (size_t i = 0; i < wanted.size(); ++i) {
        if (missing[i]) {
            sink.lost(wanted[i].cookie, wanted[i].offset, wanted[i].length, in_no_pack(wanted[i].digest));
        } else {
            wanted[kept++] = wanted[i];
        }
    }
    wanted.resize(kept);
    oneapi::tbb::parallel_sort(wanted, [](const WantedChunk& a, const WantedChunk& b) {
        return std::tuple(a.location.pack, a.location.segment, a.location.offset) <
               std::tuple(b.location.pack, b.location.segment, b.location.offset);
    });
    LocatedChunks located;
    for (const WantedChunk& chunk : wanted) {
        const PackNumber number = chunk.location.pack;
        if (!located.packs.contains(number)) located.packs.emplace(number, core.pack_of(number).id);
    }
    located.chunks = std::move(wanted);
    return located;
}

void fetch(const RepositoryCore& core, const LocatedChunks& located, ReadSink& sink, Progress& progress) {
    namespace tbb = oneapi::tbb;
    Fetch fetch(core, located, sink, progress);
    tbb::parallel_pipeline(
        kTokens,
        tbb::make_filter<void, std::shared_ptr<Run>>(tbb::filter_mode::serial_in_order, [&](tbb::flow_control& control) {
            auto run = std::make_shared<Run>(fetch.next());
            if (run->empty()) control.stop();
            return run;
        }) & tbb::make_filter<std::shared_ptr<Run>, void>(tbb::filter_mode::parallel, [&](const std::shared_ptr<Run>& run) {
            fetch.deliver(*run);
        }));
}

}  // namespace ingot
