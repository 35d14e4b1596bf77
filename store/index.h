// The index: where each chunk lies, which packs there are, and a catalog of the records. RocksDB, bounded memory, and nothing in
// it that could not be rebuilt from the packs' directories: every failure of it costs a rebuild, never data.
//
// A pack's number is the first eight bytes of its id, so that an entry left over from a pack that is gone can never come to
// mean another pack. Entries of packs that are not live are not found.
//
// No write-ahead log: what is not flushed is read in again from the pack listing. flush() orders chunks before packs, so that a
// pack the index knows has all its chunks there (I6).
//
// Thread safety: lookups from any thread while no pack is added or forgotten; all else by one, but for put_chunks().
// Errors: IndexDamaged where RocksDB says or shows that its files are not what they were: the caller rebuilds. Error{failed} for
// I/O and space.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/error.h"
#include "store/pack_format.h"
#include "store/types.h"

namespace ingot {

using PackNumber = uint64_t;
PackNumber number_of(const PackId& id);

struct Location {
    PackNumber pack = 0;
    uint16_t segment = 0;
    uint32_t offset = 0;  // in the opened segment
    uint32_t length = 0;

    bool operator==(const Location&) const = default;
};

class IndexDamaged : public Error {
public:
    explicit IndexDamaged(const std::string& what)
        : Error(Code::damaged, what, "the index is rebuilt from the packs by the next command that writes") {}
};

struct IndexedPack {
    PackId id;
    ChunkKind kind = ChunkKind::data;
    uint64_t size = 0;
    uint32_t chunks = 0;
    int64_t verified_ms = 0;
};

struct PackContents {
    IndexedPack pack;
    std::vector<SegmentEntry> directory;
};

enum class IndexMode { read_only, read_write };

class Index {
public:
    // Of who gathers packs: 5 MB of directories.
    static constexpr size_t kChunksAtOnce = 128 << 10;

    // Creates an empty one in `folder`, which must not exist, with a new generation.
    static std::unique_ptr<Index> create(const std::string& folder, const RepositoryId& repository);
    Index(const std::string& folder, IndexMode mode, const RepositoryId& repository);
    ~Index();
    Index(const Index&) = delete;
    Index& operator=(const Index&) = delete;

    const std::string& generation() const { return generation_; }
    // After chunks may have gone.
    void renew_generation();

    // out[i] says where ids[i] lies, if in a live pack. Ids in ascending order are found several times as fast; many of them, in
    // one pass over the table.
    void lookup(std::span<const ChunkId> ids, std::span<std::optional<Location>> out) const;

    const std::unordered_map<PackNumber, IndexedPack>& packs() const { return packs_; }
    // put_chunks, then add_pack for each.
    void add_packs(std::span<const PackContents> added);
    // The chunks of packs that are not added yet, and so are not found; chunks of many packs go in faster together. By one
    // thread, which need not be the owner's: lookups may go on, but no pack is added or forgotten meanwhile.
    void put_chunks(std::span<const PackContents> packs);
    // Its chunks are put there already. Durable after flush().
    void add_pack(const IndexedPack& pack);
    void forget_pack(PackNumber number);
    void set_verified(PackNumber number, int64_t wall_ms);
    // In memory only: for readers, who may not write.
    void hide_pack(PackNumber number) { packs_.erase(number); }

    std::optional<Bytes> record(const RecordName& name) const;
    void put_record(const RecordName& name, ByteView file);
    void remove_record(const RecordName& name);

    // Calls `each` with every chunk entry of a live pack. For checks.
    void each_chunk(const std::function<void(ByteView id16, const Location&)>& each) const;

    void flush();
    uint64_t bytes_on_disk() const;

private:
    struct Database;
    Index(std::unique_ptr<Database> database, const RepositoryId& repository);
    std::optional<Location> of_live_pack(ByteView value) const;
    void look_up_few(std::span<const ChunkId> ids, std::span<std::optional<Location>> out) const;
    void look_up_each(std::span<const ChunkId> ids, std::span<std::optional<Location>> out, bool sorted) const;
    void scan(std::span<const ChunkId> ids, std::span<std::optional<Location>> out) const;
    void require_own_number(const IndexedPack& pack) const;
    void load_packs();
    void write_packs();

    std::unique_ptr<Database> database_;
    std::string generation_;
    std::unordered_map<PackNumber, IndexedPack> packs_;
    std::unordered_set<PackNumber> unwritten_packs_;  // added since the last flush
};

}  // namespace ingot
