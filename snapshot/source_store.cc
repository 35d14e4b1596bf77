#include "snapshot/source_store.h"

#include "base/error.h"
#include "base/filesystem.h"
#include "snapshot/coverage.h"
#include "snapshot/source_feed.h"

namespace ingot {

SourceStore::SourceStore(Repository& repository, WriteSession& session, const Stack& stack, const std::vector<Snapshot>& earlier,
                         Progress& progress)
    : repository_(repository), session_(session), stack_(stack), earlier_(earlier), progress_(progress) {}

std::string SourceStore::cache_path_of(const SourceRun& run) const {
    return files_cache_path(stack_.state_dir, repository_.id(), stack_.name, run.record.name);
}

// What the files cache knows may be unchanged, and a copy of it for nothing.
void SourceStore::read_ahead(std::vector<SourceRun>& runs) {
    for (SourceRun& run : runs) {
        if (run.failed) continue;
        if (FilesCacheReader(real_filesystem(), cache_path_of(run), repository_.generation()).count() == 0) run.pin->read_ahead();
    }
}

void SourceStore::store(SourceRun& run) {
    progress_.phase("reading " + run.record.name, expected_bytes(run.record.name));
    try {
        stream(run);
    } catch (const Error& error) {
        if (error.code() != Code::source) throw;
        run.fail(error);
    }
    run.pin.reset();
}

// Only what asks the source may throw Error{source}; whatever the repository throws is no fault of a source and ends the run.
void SourceStore::stream(SourceRun& run) {
    const std::string cache_path = cache_path_of(run);
    const std::string generation = repository_.generation();
    FilesCacheReader cache(real_filesystem(), cache_path, generation);
    SourceFeed feed(*run.pin, cache, {stack_.tries, run.moment.first.wall_ms, repository_.spool_dir()}, progress_);
    put_data(feed);
    run.record.consistency = run.pin->consistency();
    run.record.pause_ms = run.pin->writers_blocked_ms();
    run.record.notes = run.pin->notes();

    std::unique_ptr<FilesCacheWriter> next_cache;
    if (!feed.cache_unchanged()) next_cache = std::make_unique<FilesCacheWriter>(real_filesystem(), cache_path, generation);
    const Spool listing = feed.finish(next_cache.get(), run.record.roots);
    const std::optional<Error> failure = feed.failure();
    if (failure && feed.counts().entries == 0) throw *failure;
    SpoolFeed listing_feed(listing);
    SilentProgress silent;
    session_.put(ChunkKind::meta, listing_feed, silent);
    if (next_cache) {
        next_cache->finish();
        caches_.push_back(std::move(next_cache));
    }

    run.record.listing = listing_feed.root();
    run.record.entries = feed.counts().entries;
    run.record.streams = feed.counts().streams;
    run.record.bytes = feed.counts().bytes;
    run.chunks = feed.counts().chunks;
    if (failure) {
        run.fail_in_part(*failure);
    } else if (run.record.bytes > 0 || !run.driver.may_be_empty()) {
        check_coverage(run.record, feed.counts().only_roots, earlier_, run.driver.spec().min_ratio);
    }
}

void SourceStore::put_data(StreamFeed& feed) {
    const SessionTotals before = session_.totals();
    try {
        session_.put(ChunkKind::data, feed, progress_);
    } catch (const Error& error) {
        if (error.code() != Code::source) throw;
        throw error.as(Code::failed);  // the feed keeps the source's own errors to itself
    }
    const SessionTotals& after = session_.totals();
    bytes_read_ += after.bytes_read - before.bytes_read;
    chunks_new_ += after.chunks_new - before.chunks_new;
    bytes_new_ += after.bytes_new - before.bytes_new;
}

void SourceStore::publish_caches() {
    for (const auto& cache : caches_) {
        cache->publish();
        if (!cache->problem().empty())
            progress_.note("the files cache was not written, so the next run reads all files again: " + cache->problem());
    }
}

uint64_t SourceStore::expected_bytes(const std::string& source) const {
    for (auto each = earlier_.rbegin(); each != earlier_.rend(); ++each) {
        const ManifestSource* then = each->manifest.find(source);
        if (then != nullptr && then->listing) return then->bytes;
    }
    return 0;
}

}  // namespace ingot
