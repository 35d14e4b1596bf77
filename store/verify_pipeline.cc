// Verifying: packs are read back in full, past the page cache, and every chunk is re-hashed (I3).
#include <fmt/format.h>
#include <oneapi/tbb/parallel_pipeline.h>

#include <algorithm>
#include <atomic>
#include <deque>
#include <map>
#include <mutex>
#include <random>
#include <set>

#include "base/clock.h"
#include "base/interrupt.h"
#include "base/spool.h"
#include "store/index_mend.h"
#include "store/pack_reader.h"
#include "store/repository.h"
#include "store/verify_tree.h"

namespace ingot {
namespace {

constexpr uint64_t kRunBytes = 4 << 20;
constexpr size_t kTokens = 4;
// Runs the medium is told of before their turn: while all threads compute, it goes on reading.
constexpr size_t kRunsAhead = 6;

// Neighbouring segments of one pack, read at once.
struct Run {
    std::shared_ptr<const PackReader> pack;
    size_t first = 0;
    size_t count = 0;
};

// One added stream, remembered so that damage can be given its name afterwards; on disk, for there may be millions.
class AddedStreams {
public:
    explicit AddedStreams(const std::string& folder) : spool_(folder) {}

    void add(ChunkKind kind, const StreamRoot& root, const std::string& label) {
        Encoder out;
        out.u8(static_cast<uint8_t>(kind)).u8(root.height).raw(root.digest.view()).u64(root.size).prefixed(label);
        buffer_.insert(buffer_.end(), out.bytes().begin(), out.bytes().end());
        if (buffer_.size() > 64 << 10) flush();
    }
    void each(const std::function<void(ChunkKind, const StreamRoot&, const std::string&)>& visit) {
        flush();
        Bytes header(1 + 1 + 32 + 8 + 4);
        for (uint64_t at = 0; spool_.read_at(at, header) == header.size();) {
            Decoder in(header, "remembered streams");
            const auto kind = static_cast<ChunkKind>(in.u8());
            StreamRoot root;
            root.height = in.u8();
            root.digest = in.name<Digest>();
            root.size = in.u64();
            Bytes label(in.u32());
            spool_.read_at(at + header.size(), label);
            at += header.size() + label.size();
            visit(kind, root, std::string(text_of(label)));
        }
    }

private:
    void flush() {
        spool_.append(buffer_);
        buffer_.clear();
    }
    Spool spool_;
    Bytes buffer_;
};

class PackVerifier : public Verifier {
public:
    explicit PackVerifier(Repository& repository) : core_(repository.core()), added_(core_.spool_dir) {}

    void add(ChunkKind kind, const StreamRoot& root, const std::string& label) override {
        ++report_.streams;
        added_.add(kind, root, label);
        std::vector<ChunkId> ids;
        const auto locate = [&] {
            std::vector<std::optional<Location>> found(ids.size());
            core_.lookup(ids, found);
            for (const auto& location : found) {
                if (location)
                    packs_.insert(location->pack);
                else
                    ++missing_;
            }
            ids.clear();
        };
        missing_ = 0;
        try {
            each_part_of(core_, kind, root, [&](const ChunkId& id) {
                ids.push_back(id);
                if (ids.size() == 4096) locate();
            });
        } catch (const Error& error) {
            if (error.code() != Code::damaged) throw;
            report_.findings.push_back({Finding::Weight::damage, label, error.what()});
        }
        locate();
        if (missing_ > 0) {
            report_.findings.push_back(
                {Finding::Weight::damage, label, fmt::format("{} of its chunks are in no pack", missing_)});
        }
    }

    void add_all_packs() override {
        for (const auto& [number, pack] : core_.index->packs()) packs_.insert(number);
    }

    VerifyReport run(int64_t max_age_ms, double sample, Progress& progress) override {
        std::vector<IndexedPack> chosen = choose(max_age_ms, sample);
        uint64_t total = 0;
        for (const IndexedPack& pack : chosen) total += pack.size;
        progress.phase("reading packs back", total);
        verify(chosen, progress);
        for (const IndexedPack& pack : chosen) {
            if (!bad_packs_.contains(number_of(pack.id)) && core_.writable())
                core_.index->set_verified(number_of(pack.id), started_ms_);
        }
        if (core_.writable() && !chosen.empty()) core_.index->flush();
        name_damaged_streams();
        report_.packs = chosen.size();
        report_.segments = segments_;
        report_.chunks = chunks_;
        report_.bytes = bytes_;
        return std::move(report_);
    }

private:
    std::vector<IndexedPack> choose(int64_t max_age_ms, double sample) {
        std::vector<IndexedPack> chosen;
        std::mt19937_64 random{std::random_device{}()};
        std::bernoulli_distribution take(std::clamp(sample, 0.0, 1.0));
        for (const PackNumber number : packs_) {
            const IndexedPack& pack = core_.pack_of(number);
            const bool recent = max_age_ms > 0 && pack.verified_ms > 0 && started_ms_ >= pack.verified_ms &&
                                started_ms_ - pack.verified_ms < max_age_ms;
            if (recent)
                ++report_.packs_recent;
            else if (sample >= 1 || take(random))
                chosen.push_back(pack);
        }
        return chosen;
    }

    void verify(const std::vector<IndexedPack>& packs, Progress& progress) {
        namespace tbb = oneapi::tbb;
        size_t pack_index = 0;
        Run next;
        std::deque<std::shared_ptr<Run>> ahead;  // at the end a null
        const auto plan = [&]() -> std::shared_ptr<Run> {
            while (!next.pack || next.first == next.pack->segments().size()) {
                if (pack_index == packs.size()) return nullptr;
                next = {open(packs[pack_index++]), 0, 0};
                if (next.pack && next.pack->segments().empty()) next.pack.reset();
            }
            uint64_t bytes = 0;
            next.count = 0;
            for (size_t i = next.first; i < next.pack->segments().size() && bytes < kRunBytes; ++i, ++next.count)
                bytes += next.pack->segments()[i].length;
            auto run = std::make_shared<Run>(next);
            next.first += next.count;
            run->pack->will_read(run->first, run->count);
            return run;
        };
        const auto produce = [&](tbb::flow_control& control) -> std::shared_ptr<Run> {
            check_interrupted();
            while (ahead.size() < kRunsAhead && (ahead.empty() || ahead.back())) ahead.push_back(plan());
            std::shared_ptr<Run> run = ahead.front();
            if (!run)
                control.stop();
            else
                ahead.pop_front();
            return run;
        };
        tbb::parallel_pipeline(
            kTokens, tbb::make_filter<void, std::shared_ptr<Run>>(tbb::filter_mode::serial_in_order, produce) &
                         tbb::make_filter<std::shared_ptr<Run>, void>(
                             tbb::filter_mode::parallel, [&](const std::shared_ptr<Run>& run) { verify_run(*run, progress); }));
    }

    std::shared_ptr<const PackReader> open(const IndexedPack& pack) {
        try {
            return std::make_shared<const PackReader>(*core_.blobs, core_.keys, core_.config.id, pack.id, true);
        } catch (const Error& error) {
            if (error.code() != Code::damaged && error.code() != Code::not_found) throw;
            found(number_of(pack.id), pack_name(pack.id), error.what());
            const std::lock_guard lock(mutex_);
            lost_packs_.insert(number_of(pack.id));
            return nullptr;
        }
    }

    void verify_run(const Run& run, Progress& progress) {
        thread_local Bytes sealed, plain;
        const PackNumber number = number_of(run.pack->id());
        try {
            run.pack->read_sealed(run.first, run.count, sealed);
        } catch (const Error& error) {
            if (error.code() != Code::damaged) throw;
            found(number, pack_name(run.pack->id()), error.what());
            const std::lock_guard lock(mutex_);
            lost_packs_.insert(number);
            return;
        }
        uint64_t at = 0;
        for (size_t s = run.first; s < run.first + run.count; ++s) {
            const SegmentEntry& segment = run.pack->segments()[s];
            try {
                run.pack->open_segment(s, {sealed.data() + at, segment.length}, plain);
                verify_chunks(*run.pack, segment, plain);
            } catch (const Error& error) {
                if (error.code() != Code::damaged) throw;
                found(number, pack_name(run.pack->id()), error.what());
                const std::lock_guard lock(mutex_);
                lost_segments_.insert({number, s});
            }
            at += segment.length;
            progress.advance(segment.length);
        }
    }

    void verify_chunks(const PackReader& pack, const SegmentEntry& segment, const Bytes& plain) {
        std::vector<ByteView> inputs;
        uint32_t offset = 0;
        for (const ChunkEntry& chunk : segment.chunks) {
            inputs.emplace_back(plain.data() + offset, chunk.length);
            offset += chunk.length;
        }
        std::vector<Digest> digests(inputs.size());
        hash_many(inputs, digests);
        for (size_t i = 0; i < inputs.size(); ++i) {
            if (core_.id_of(pack.kind(), digests[i]) != segment.chunks[i].id) {
                throw Error(Code::damaged, fmt::format("{}: a chunk is other than its name says", pack_name(pack.id())));
            }
        }
        ++segments_;
        chunks_ += inputs.size();
        bytes_ += plain.size();
    }

    void found(PackNumber number, const std::string& where, const std::string& what) {
        const std::lock_guard lock(mutex_);
        bad_packs_.insert(number);
        report_.findings.push_back({Finding::Weight::damage, where, what});
    }

    // Which of the added streams need what was found damaged.
    void name_damaged_streams() {
        if (lost_packs_.empty() && lost_segments_.empty()) return;
        added_.each([&](ChunkKind kind, const StreamRoot& root, const std::string& label) {
            uint64_t lost_bytes = 0;
            try {
                lost_bytes = lost_bytes_of(core_, kind, root, [&](const Location& at) {
                    return lost_packs_.contains(at.pack) || lost_segments_.contains({at.pack, at.segment});
                });
            } catch (const Error& error) {
                if (error.code() != Code::damaged) throw;
                lost_bytes = root.size;
            }
            if (lost_bytes > 0)
                report_.findings.push_back(
                    {Finding::Weight::damage, label, fmt::format("{} of {} bytes are lost", lost_bytes, root.size)});
        });
    }

    RepositoryCore& core_;
    AddedStreams added_;
    std::set<PackNumber> packs_;
    VerifyReport report_;
    uint64_t missing_ = 0;
    const int64_t started_ms_ = wall_now_ms();
    std::mutex mutex_;
    std::set<PackNumber> bad_packs_, lost_packs_;
    std::set<std::pair<PackNumber, size_t>> lost_segments_;
    std::atomic<uint64_t> segments_{0}, chunks_{0}, bytes_{0};
};

}  // namespace

bool VerifyReport::clean() const {
    return std::ranges::none_of(findings, [](const Finding& f) { return f.weight != Finding::Weight::note; });
}

std::unique_ptr<Verifier> Verifier::over(Repository& repository) { return std::make_unique<PackVerifier>(repository); }

}  // namespace ingot
