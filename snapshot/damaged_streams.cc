#include "snapshot/damaged_streams.h"

#include <fmt/format.h>

#include <algorithm>
#include <mutex>

#include "base/error.h"
#include "base/interrupt.h"
#include "snapshot/listing.h"
#include "store/reader.h"

namespace ingot {
namespace {

// Counts what is lost, and keeps nothing.
class LossSink : public ReadSink {
public:
    explicit LossSink(Progress& progress) : progress_(progress) {}

    void write(uint64_t, uint64_t, ByteView bytes) override { progress_.advance(bytes.size()); }
    void lost(uint64_t cookie, uint64_t, uint64_t, const Error& error) override {
        if (error.code() != Code::damaged && error.code() != Code::not_found) throw error;
        const std::lock_guard lock(mutex_);
        lost_.insert(cookie);
    }
    const std::set<uint64_t>& streams() const { return lost_; }

private:
    Progress& progress_;
    std::mutex mutex_;
    std::set<uint64_t> lost_;
};

struct FileContent {
    std::string path;
    StreamRoot root;
};

// Files with bytes. Throws Error{damaged} where the listing itself is.
std::vector<FileContent> streams_of(Repository& repository, const ManifestSource& source) {
    Reader reader(repository);
    ListingReader listing = open_listing(reader, *source.listing, repository.spool_dir());
    std::vector<FileContent> out;
    while (const std::optional<ListedEntry> each = listing.next()) {
        check_interrupted();
        if (each->entry.type == EntryType::file && each->root.size > 0) out.push_back({each->entry.path, each->root});
    }
    return out;
}

// The contents among them that lost bytes; each is read once, however many streams have it.
Contents lost_among(Repository& repository, const std::vector<FileContent>& streams, const Contents& known_whole,
                    Progress& progress) {
    Contents distinct;
    for (const FileContent& stream : streams) {
        if (!known_whole.contains(stream.root)) distinct.insert(stream.root);
    }
    const std::vector<StreamRoot> roots(distinct.begin(), distinct.end());
    LossSink sink(progress);
    uint64_t next = 0;
    Reader(repository)
        .read(
            ChunkKind::data,
            [&]() -> std::optional<ReadRequest> {
                check_interrupted();
                if (next == roots.size()) return std::nullopt;
                const uint64_t cookie = next++;
                return ReadRequest{roots[cookie], cookie};
            },
            sink, progress);
    Contents lost;
    for (const uint64_t cookie : sink.streams()) lost.insert(roots[cookie]);
    return lost;
}

bool is_whole_there(Repository& repository, const ManifestSource& source, const DamagedSource& damaged, Progress& progress) {
    try {
        const std::vector<FileContent> streams = streams_of(repository, source);
        std::set<std::string> missing(damaged.paths.begin(), damaged.paths.end());
        for (const FileContent& stream : streams) {
            if (damaged.lost.contains(stream.root)) return false;
            missing.erase(stream.path);
        }
        // A snapshot of before the file was there does not have it whole.
        return missing.empty() && lost_among(repository, streams, damaged.whole, progress).empty();
    } catch (const Error& error) {
        if (error.code() != Code::damaged && error.code() != Code::not_found) throw;
        ignore_error(error, "its listing is damaged too: it is no help");
        return false;
    }
}

}  // namespace

std::vector<DamagedSource> find_damaged(Repository& repository, const Snapshot& snapshot, const std::vector<std::string>& only,
                                        Progress& progress) {
    std::vector<DamagedSource> out;
    for (const ManifestSource& source : snapshot.manifest.sources) {
        if (!source.listing || (!only.empty() && std::ranges::find(only, source.name) == only.end())) continue;
        progress.phase(fmt::format("looking for damage in {}", source.name), source.bytes);
        DamagedSource found;
        found.source = source.name;
        try {
            const std::vector<FileContent> streams = streams_of(repository, source);
            found.lost = lost_among(repository, streams, {}, progress);
            for (const FileContent& stream : streams) {
                if (found.lost.contains(stream.root)) {
                    found.paths.push_back(stream.path);
                } else {
                    found.whole.insert(stream.root);
                }
            }
        } catch (const Error& error) {
            if (error.code() != Code::damaged && error.code() != Code::not_found) throw;
            found.listing = true;
        }
        if (found.listing || !found.paths.empty()) out.push_back(std::move(found));
    }
    return out;
}

std::optional<Snapshot> whole_elsewhere(Repository& repository, const Snapshot& snapshot, const DamagedSource& damaged,
                                        const std::vector<Snapshot>& others, Progress& progress) {
    std::vector<const Snapshot*> candidates;
    for (const Snapshot& each : others) {
        const ManifestSource* source = each.manifest.find(damaged.source);
        if (each.id == snapshot.id || each.manifest.stack != snapshot.manifest.stack || each.safety() || source == nullptr)
            continue;
        if (source->status == SourceStatus::stored && source->listing) candidates.push_back(&each);
    }
    std::ranges::stable_sort(candidates, [](const Snapshot* a, const Snapshot* b) {
        if (a->golden() != b->golden()) return a->golden();
        return a->manifest.moment_ms > b->manifest.moment_ms;
    });
    if (candidates.size() > kMostTried) candidates.resize(kMostTried);
    for (const Snapshot* each : candidates) {
        const ManifestSource& source = *each->manifest.find(damaged.source);
        progress.phase(fmt::format("looking for {} in snapshot {}", damaged.source, each->short_id()), source.bytes);
        if (is_whole_there(repository, source, damaged, progress)) return *each;
    }
    return std::nullopt;
}

}  // namespace ingot
