// What the classes of the store share about one open repository. Not for other rooms.
//
// Thread safety: const members from any thread; lookups as Index says.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "base/scratch_folder.h"
#include "store/blob_store.h"
#include "store/client_memory.h"
#include "store/config_file.h"
#include "store/cut.h"
#include "store/heads.h"
#include "store/index.h"
#include "store/keys.h"
#include "store/lock.h"

namespace ingot {

struct RepositoryCore {
    FileSystem& fs;
    std::string path;
    std::unique_ptr<BlobStore> blobs;
    std::unique_ptr<Lock> lock;
    RepositoryConfig config;
    KeyRing keys;
    std::string opened_slot;
    HmacSha256 id_hmac;
    Cutter cutter;
    std::string state_dir;
    std::string spool_dir;
    std::function<void(const std::string&)> warn;
    HeadState heads;
    std::set<RecordName> live;  // records
    ClientMemory memory;
    WriterId writer;
    std::unique_ptr<ScratchFolder> temporary_index;  // of an index made for this process alone; null: the repository's own
    std::unique_ptr<Index> index;
    std::unique_ptr<Lock> mended_lock = nullptr;  // beside `lock`, on a config that was written anew (store/check.cc)
    // Held while `index` is replaced or gets packs, and by another thread than the owner's while it puts chunks there.
    std::mutex index_mutex{};

    bool writable() const { return lock->mode() != LockMode::shared; }
    ChunkId id_of(ChunkKind kind, const Digest& digest) const {
        const auto byte = static_cast<uint8_t>(kind);
        return ChunkId::from(id_hmac({ByteView(&byte, 1), digest.view()}).view());
    }
    // Throws Error{damaged}: a pack may go while the repository is open.
    const IndexedPack& pack_of(PackNumber number) const;
    // Index::lookup; a damaged index is mended first (store/index_mend.h).
    void lookup(std::span<const ChunkId> ids, std::span<std::optional<Location>> out);
};

}  // namespace ingot
