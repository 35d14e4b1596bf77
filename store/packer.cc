#include "store/packer.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "base/error.h"
#include "store/index_mend.h"

namespace ingot {

// Packs waiting to be synced: more would only hold memory and open files while the disk is the limit.
static constexpr size_t kMostUnpublished = 3;
// Their entries are sorted together: an entry that goes into the index near the one before costs a third.
static constexpr size_t kChunksIndexedTogether = 32 << 10;
// So many ids may stay among the pending when the index has them: 30 MB cost less than to take them out one by one.
static constexpr size_t kPendingKept = 512 << 10;
// A stream that put this much into a segment does not share it with the next one.
static constexpr size_t kOwnSegmentBytes = 256 << 10;
// Very small files make very small chunks; a pack's directory must stay bounded.
static constexpr size_t kMostChunksPerSegment = 16'384;

Packer::Packer(RepositoryCore& core)
    : core_(core), all_pending_(core.index->packs().empty()), publisher_([this] { publish_loop(); }) {}

Packer::~Packer() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    changed_.notify_all();
    publisher_.join();
}

void Packer::hash(HashedBatch& batch, ChunkKind kind) const {
    const size_t n = batch.batch.chunks.size();
    std::vector<ByteView> inputs(n);
    for (size_t i = 0; i < n; ++i) inputs[i] = batch.batch.bytes(batch.batch.chunks[i]);
    batch.digests.resize(n);
    batch.ids.resize(n);
    hash_many(inputs, batch.digests);
    for (size_t i = 0; i < n; ++i) batch.ids[i] = core_.id_of(kind, batch.digests[i]);
}

void Packer::take(HashedBatch& hashed, ChunkKind kind, StreamFeed& feed) {
    throw_if_failed();
    take_indexed();
    const ChunkBatch& batch = hashed.batch;
    const std::vector<std::optional<Location>> found = look_up(hashed.ids);
    const auto emit = [&](const Digest& digest, Bytes node) {
        nodes_.emplace_back(core_.id_of(ChunkKind::meta, digest), std::move(node));
    };

    size_t next_end = 0;
    const auto end_streams_at = [&](size_t chunks_done) {
        while (next_end < batch.ends.size() && batch.ends[next_end].chunks == chunks_done) {
            if (!batch.ends[next_end].failed) stream_.stored.root = stream_.tree.finish(emit);
            end_stream(batch.ends[next_end++], feed);
            if (draft_of(kind).segment.plain.size() >= kOwnSegmentBytes) cut_draft(kind, hashed.jobs);
        }
    };
    end_streams_at(0);
    for (size_t i = 0; i < batch.chunks.size(); ++i) {
        const CutChunk& chunk = batch.chunks[i];
        const ByteView bytes = batch.bytes(chunk);
        const bool first = stream_.size == 0;
        const bool ends_here = next_end < batch.ends.size() && batch.ends[next_end].chunks == i + 1;
        if (first) {
            stream_.first_chunk = hashed.digests[i];
            stream_.hashing = kind == ChunkKind::data && !ends_here;  // of a single chunk the digest is known already
        }
        stream_.size += chunk.length;
        if (chunk.of_long_stream || stream_.size > kPlainDigestLimitBytes) stream_.hashing = false;
        if (stream_.hashing) stream_.plain.update(bytes);
        stream_.tree.add(hashed.digests[i], chunk.length, emit);
        ++stream_.stored.chunks;
        if (!found[i] && pending_.insert(hashed.ids[i])) {
            ++stream_.stored.chunks_new;
            if (kind == ChunkKind::data) {
                stream_.stored.bytes_new += chunk.length;
                ++totals_.chunks_new;
                totals_.bytes_new += chunk.length;
            } else {
                totals_.bytes_meta += chunk.length;
            }
            add_chunk(kind, chunk.content, hashed.ids[i], bytes, hashed.jobs);
        }
        if (kind == ChunkKind::data) ++totals_.chunks;
        end_streams_at(i + 1);
    }
    add_nodes(hashed.jobs);
}

std::vector<std::optional<Location>> Packer::look_up(std::span<const ChunkId> ids) const {
    std::vector<std::optional<Location>> found(ids.size());
    if (!all_pending_) core_.lookup(ids, found);
    return found;
}

void Packer::end_stream(StreamEnd end, StreamFeed& feed) {
    if (!end.failed) {
        if (stream_.hashing) {
            stream_.stored.sha256 = stream_.plain.finish();
        } else if (stream_.stored.chunks <= 1) {
            stream_.stored.sha256 = stream_.stored.root.digest;
        }
        feed.stored(stream_.stored);
    }
    stream_ = {};
}

// Nodes of trees are meta chunks of their own, looked up together once a batch.
void Packer::add_nodes(std::vector<SegmentJob>& jobs) {
    std::vector<ChunkId> ids;
    ids.reserve(nodes_.size());
    for (const auto& [id, node] : nodes_) ids.push_back(id);
    const std::vector<std::optional<Location>> found = look_up(ids);
    for (size_t i = 0; i < nodes_.size(); ++i) {
        if (found[i] || !pending_.insert(ids[i])) continue;
        totals_.bytes_meta += nodes_[i].second.size();
        add_chunk(ChunkKind::meta, Content::bytes, ids[i], nodes_[i].second, jobs);
    }
    nodes_.clear();
}

void Packer::add_chunk(ChunkKind kind, Content content, const ChunkId& id, ByteView bytes, std::vector<SegmentJob>& jobs) {
    Draft& draft = draft_of(kind);
    SegmentDraft& segment = draft.segment;
    const bool full =
        segment.plain.size() + bytes.size() > core_.config.segment_bytes || segment.chunks.size() >= kMostChunksPerSegment;
    if (!segment.chunks.empty() && (segment.content != content || full)) cut_draft(kind, jobs);
    segment.content = content;
    segment.plain.insert(segment.plain.end(), bytes.begin(), bytes.end());
    segment.chunks.push_back({id, static_cast<uint32_t>(bytes.size())});
}

void Packer::cut_draft(ChunkKind kind, std::vector<SegmentJob>& jobs) {
    Draft& draft = draft_of(kind);
    if (draft.segment.chunks.empty()) return;
    if (!draft.pack) draft.pack = std::make_shared<OpenPack>(core_, kind);
    SegmentJob job;
    job.pack = draft.pack;
    job.number = draft.pack->segments++;
    job.draft = std::move(draft.segment);
    draft.pack->chunks += static_cast<uint32_t>(job.draft.chunks.size());
    job.closes_pack = draft.pack->bytes >= core_.config.pack_bytes || draft.pack->segments == kMaxSegmentsPerPack ||
                      draft.pack->chunks + kMostChunksPerSegment > kMaxChunksPerPack;
    if (job.closes_pack) draft.pack.reset();
    draft.segment = {};
    draft.segment.plain.reserve(core_.config.segment_bytes);
    jobs.push_back(std::move(job));
}

void Packer::seal(std::vector<SegmentJob>& jobs) {
    for (SegmentJob& job : jobs) {
        job.sealed = job.pack->writer.seal_segment(job.number, job.draft);
        job.draft = {};
    }
}

void Packer::write(std::vector<SegmentJob>& jobs) {
    for (SegmentJob& job : jobs) {
        throw_if_failed();
        job.pack->writer.append(std::move(job.sealed));
        job.pack->bytes = job.pack->writer.bytes_written();
        if (!job.closes_pack) continue;
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return publishing_ < kMostUnpublished || failure_; });
        to_publish_.push_back(std::move(job.pack));
        ++publishing_;
        changed_.notify_all();
    }
    jobs.clear();
}

void Packer::publish_loop() {
    std::unique_lock lock(mutex_);
    for (;;) {
        changed_.wait(lock, [&] { return stopping_ || !to_publish_.empty(); });
        if (stopping_) return;
        const std::shared_ptr<OpenPack> pack = std::move(to_publish_.front());
        to_publish_.pop_front();
        lock.unlock();
        std::exception_ptr failure;
        try {
            publish(*pack);
        } catch (...) {
            failure = std::current_exception();
        }
        lock.lock();
        --publishing_;
        if (failure) failure_ = failure;
        changed_.notify_all();
    }
}

// Packs that are durable may go into the index (I6).
void Packer::publish(OpenPack& pack) {
    pack.writer.publish();
    PackContents contents{{pack.writer.id(), pack.writer.kind(), 0, 0, 0}, pack.writer.directory()};
    contents.pack.size = pack.writer.bytes_written();
    contents.pack.chunks = pack.chunks;
    gathered_chunks_ += pack.chunks;
    gathered_.push_back(std::move(contents));
    if (gathered_chunks_ >= kChunksIndexedTogether) index_gathered();
}

void Packer::index_gathered() {
    std::string damage;
    {
        const std::lock_guard index_lock(core_.index_mutex);
        try {
            if (core_.index) core_.index->put_chunks(gathered_);
        } catch (const IndexDamaged& error) {
            damage = error.what();
        }
    }
    const std::lock_guard lock(mutex_);
    std::ranges::move(gathered_, std::back_inserter(indexed_));
    if (!damage.empty()) index_damage_ = damage;
    gathered_.clear();
    gathered_chunks_ = 0;
}

void Packer::throw_if_failed() {
    const std::lock_guard lock(mutex_);
    if (failure_) std::rethrow_exception(failure_);
}

void Packer::take_indexed() {
    std::vector<PackContents> packs;
    std::string damage;
    {
        const std::lock_guard lock(mutex_);
        packs.swap(indexed_);
        damage.swap(index_damage_);
    }
    if (!damage.empty()) {
        if (core_.warn) core_.warn(damage);
        rebuild_index(core_);  // from the packs that are there, these among them
    }
    for (const PackContents& contents : packs) {
        if (damage.empty()) {
            const std::lock_guard index_lock(core_.index_mutex);  // the publisher looks at the packs there are
            core_.index->add_pack(contents.pack);
        }
        totals_.bytes_stored += contents.pack.size;
        if (pending_.size() < kPendingKept) continue;
        all_pending_ = false;
        for (const SegmentEntry& segment : contents.directory) {
            for (const ChunkEntry& chunk : segment.chunks) pending_.erase(chunk.id);
        }
    }
}

void Packer::flush() {
    std::vector<SegmentJob> jobs;
    cut_draft(ChunkKind::data, jobs);
    cut_draft(ChunkKind::meta, jobs);
    for (SegmentJob& job : jobs) job.closes_pack = true;
    // A pack whose last segment was cut before has no job to close it.
    for (Draft& draft : drafts_) {
        const bool has_job =
            !jobs.empty() && std::ranges::any_of(jobs, [&](const SegmentJob& job) { return job.pack == draft.pack; });
        if (draft.pack && !has_job) {
            const std::lock_guard lock(mutex_);
            to_publish_.push_back(draft.pack);
            ++publishing_;
            changed_.notify_all();
        }
        draft.pack.reset();
    }
    seal(jobs);
    write(jobs);
    {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return publishing_ == 0 || failure_; });
    }
    throw_if_failed();
    index_gathered();
    take_indexed();
    pending_.clear();
    all_pending_ = core_.index->packs().empty();
    try {
        core_.index->flush();
    } catch (const IndexDamaged& error) {
        // An old file of the database that a compaction met; the next session would meet it again.
        if (core_.warn) core_.warn(fmt::format("{}: the index is rebuilt from the packs", error.what()));
        rebuild_index(core_);  // flushed when it returns
    }
}

}  // namespace ingot
