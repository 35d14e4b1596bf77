// A small pack in a MemoryStore, for tests of its bytes.
#pragma once

#include "store/pack_reader.h"
#include "store/pack_writer.h"
#include "tests/store/memory_store.h"
#include "tests/support/memory_feed.h"

namespace ingot::test {

struct SamplePack {
    explicit SamplePack(bool sealed = true, ChunkKind kind = ChunkKind::data)
        : keys(sealed ? KeyRing::generate() : KeyRing::plain()) {
        random_bytes(repository.bytes);
        write(kind, 1);
    }

    // Three segments: text in three chunks, noise in one, numbers in two.
    void write(ChunkKind kind, uint64_t seed) {
        PackWriter writer(store, keys, repository, kind);
        drafts = {draft(Content::bytes, {prose(900, seed), prose(70, seed + 1), prose(1, seed + 2)}),
                  draft(Content::bytes, {noise(200, seed)}), draft(Content::f32, {Bytes(64, 1), Bytes(128, 2)})};
        for (uint32_t i = 0; i < drafts.size(); ++i) writer.append(writer.seal_segment(i, drafts[i]));
        writer.publish();
        id = writer.id();
        directory = writer.directory();
    }
    SegmentDraft draft(Content content, const std::vector<Bytes>& chunks) const {
        SegmentDraft out{content, {}, {}};
        for (const Bytes& chunk : chunks) {
            out.plain.insert(out.plain.end(), chunk.begin(), chunk.end());
            out.chunks.push_back({ChunkId::from(sha256(chunk).view()), static_cast<uint32_t>(chunk.size())});
        }
        return out;
    }
    Bytes& file() { return store.blobs.at(pack_name(id)); }
    PackReader open() { return {store, keys, repository, id}; }
    Bytes segment(const PackReader& reader, size_t number) const {
        Bytes sealed, plain;
        reader.read_sealed(number, 1, sealed);
        reader.open_segment(number, sealed, plain);
        return plain;
    }

    MemoryStore store;
    KeyRing keys;
    RepositoryId repository;
    std::vector<SegmentDraft> drafts;
    PackId id;
    std::vector<SegmentEntry> directory;
};

}  // namespace ingot::test
