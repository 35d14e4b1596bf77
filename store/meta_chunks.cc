#include "store/meta_chunks.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"

namespace ingot {

// 8 segments of at most 2 MiB, 16 directories of at most a few MiB: the bound on this cache's memory.
static constexpr size_t kSegments = 8;
static constexpr size_t kPacks = 16;

ByteView MetaChunks::chunk(ChunkKind kind, const Digest& digest) {
    const ChunkId id = core_.id_of(kind, digest);
    std::optional<Location> location;
    core_.lookup({&id, 1}, {&location, 1});
    if (!location) {
        throw Error(Code::damaged, fmt::format("a chunk of the snapshot ({}) is in no pack", digest.hex().substr(0, 16)),
                    "a pack is missing: put it back from another copy of the repository, or use another snapshot");
    }
    const Bytes& plain = segment(*location);
    if (uint64_t{location->offset} + location->length > plain.size())
        throw Error(Code::damaged, "the index points past a segment");
    const ByteView bytes(plain.data() + location->offset, location->length);
    if (sha256(bytes) != digest) {
        throw Error(Code::damaged, fmt::format("{}, segment {}: a chunk is other than its name says",
                                               pack_name(core_.pack_of(location->pack).id), location->segment));
    }
    return bytes;
}

const Bytes& MetaChunks::segment(const Location& location) {
    const auto found = std::ranges::find_if(
        segments_, [&](const OpenSegment& s) { return s.pack == location.pack && s.segment == location.segment; });
    if (found != segments_.end()) {
        segments_.splice(segments_.begin(), segments_, found);
        return segments_.front().plain;
    }
    const PackReader& reader = pack(location.pack);
    if (location.segment >= reader.segments().size()) throw Error(Code::damaged, "the index points past a pack");
    reader.read_sealed(location.segment, 1, sealed_);
    OpenSegment opened{location.pack, location.segment, {}};
    reader.open_segment(location.segment, sealed_, opened.plain);
    segments_.push_front(std::move(opened));
    if (segments_.size() > kSegments) segments_.pop_back();
    return segments_.front().plain;
}

const PackReader& MetaChunks::pack(PackNumber number) {
    const auto found = std::ranges::find_if(packs_, [&](const auto& p) { return number_of(p->id()) == number; });
    if (found != packs_.end()) {
        packs_.splice(packs_.begin(), packs_, found);
        return *packs_.front();
    }
    try {
        packs_.push_front(std::make_unique<PackReader>(*core_.blobs, core_.keys, core_.config.id, core_.pack_of(number).id));
    } catch (const Error& error) {
        if (error.code() != Code::not_found) throw;
        throw error.as(Code::damaged);  // it went while the repository was open
    }
    if (packs_.size() > kPacks) packs_.pop_back();
    return *packs_.front();
}

}  // namespace ingot
