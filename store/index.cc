// The only file that knows RocksDB. Its place and its settings: docs/decisions/0002-packs-beside-rocksdb.md and 0003.
#include "store/index.h"

#include <fmt/format.h>
#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/table.h>
#include <rocksdb/write_buffer_manager.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <thread>

#include "store/hash.h"
#include "store/index_entries.h"
#include "store/index_files.h"

namespace ingot {
namespace {

constexpr uint32_t kIndexVersion = 1;
// Stepping to the next key costs about a twentieth of looking one up: where one of this many is wanted, all are stepped over.
constexpr uint64_t kScanOneOf = 16;
constexpr size_t kFew = 16;            // so many and fewer are asked for one by one
constexpr size_t kScanAtLeast = 4096;  // below this the difference is not to be seen
constexpr size_t kScanReadBytes = 2 << 20;
// A writer's compaction may take files away between a reader's look at the manifest and at them.
constexpr int kReaderTries = 10;
constexpr std::chrono::milliseconds kReaderTick{10};

rocksdb::Slice slice(ByteView bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }
ByteView view(const rocksdb::Slice& s) { return {reinterpret_cast<const uint8_t*>(s.data()), s.size()}; }

bool out_of_space(const rocksdb::Status& status) {
    return status.IsNoSpace() || status.subcode() == rocksdb::Status::kNoSpace ||
           status.ToString().find("No space left") != std::string::npos;
}

// After a write: an I/O error is the file system's, all else is damage.
void require(const rocksdb::Status& status, const char* doing) {
    if (status.ok()) return;
    if (status.IsIOError() || out_of_space(status)) {
        throw Error(Code::failed, fmt::format("{} in the index: {}", doing, status.ToString()),
                    out_of_space(status) ? "free some space on the repository's file system, then run the command again" : "");
    }
    throw IndexDamaged(fmt::format("{} in the index: {}", doing, status.ToString()));
}

// After a read: whatever went wrong, the files are not what they were, and a rebuild is the answer.
void require_read(const rocksdb::Status& status, const char* doing) {
    if (!status.ok()) throw IndexDamaged(fmt::format("{} in the index: {}", doing, status.ToString()));
}

// RocksDB's own log says nothing that our errors do not, and a write to it that fails (a full disk) would end the process.
class NoLog : public rocksdb::Logger {
public:
    using Logger::Logv;
    void Logv(const char*, va_list) override {}
};

rocksdb::DBOptions database_options() {
    rocksdb::DBOptions options;
    options.env = index_files();
    options.create_if_missing = false;  // never create over damage
    options.paranoid_checks = true;
    options.wal_recovery_mode = rocksdb::WALRecoveryMode::kAbsoluteConsistency;  // there is none, and none is tolerated
    options.atomic_flush = false;  // flushed in our own order instead (#11148 in this version)
    options.db_host_id = "";
    options.allow_data_in_errors = false;
    options.max_manifest_file_size = 4 << 20;
    options.info_log = std::make_shared<NoLog>();
    options.max_open_files = open_file_budget();
    options.max_background_jobs = 2;
    options.max_subcompactions = 1;
    options.max_bgerror_resume_count = 0;  // fail, reopen, rebuild; never resume by itself
    options.bytes_per_sync = 1 << 20;
    options.stats_dump_period_sec = 0;
    options.stats_persist_period_sec = 0;
    options.write_buffer_manager = std::make_shared<rocksdb::WriteBufferManager>(32 << 20);
    return options;
}

rocksdb::ColumnFamilyOptions family_options(const std::shared_ptr<rocksdb::Cache>& cache) {
    rocksdb::BlockBasedTableOptions table;
    table.format_version = 5;
    table.checksum = rocksdb::kXXH3;
    table.block_size = 16 << 10;
    table.block_cache = cache;
    table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10, false));
    table.whole_key_filtering = true;
    table.index_type = rocksdb::BlockBasedTableOptions::kTwoLevelIndexSearch;
    table.partition_filters = true;
    table.cache_index_and_filter_blocks = true;
    table.pin_top_level_index_and_filter = true;
    table.detect_filter_construct_corruption = true;
    rocksdb::ColumnFamilyOptions options;
    options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
    options.compression = rocksdb::kNoCompression;  // keyed hashes do not compress
    options.write_buffer_size = 16 << 20;
    // New chunks are looked up too, and are in no memtable: a filter says so without a walk through it. A fiftieth of 16 MiB is
    // 16 bits for each of its chunks.
    options.memtable_whole_key_filtering = true;
    options.memtable_prefix_bloom_size_ratio = 0.02;
    options.max_write_buffer_number = 2;
    options.memtable_protection_bytes_per_key = 8;
    options.paranoid_file_checks = true;
    options.force_consistency_checks = true;
    return options;
}

enum Family { kDefault, kChunks, kPacks, kCatalog, kFamilies };
constexpr std::array<const char*, kFamilies> kFamilyNames = {"default", "chunks", "packs", "catalog"};

rocksdb::WriteOptions unlogged() {
    rocksdb::WriteOptions options;
    options.disableWAL = true;
    options.protection_bytes_per_key = 8;
    return options;
}

}  // namespace

struct Index::Database {
    std::unique_ptr<rocksdb::DB> db;
    std::vector<rocksdb::ColumnFamilyHandle*> handles;
    std::string folder;
    bool writable = false;

    Database(const std::string& path, bool write, bool create) : folder(path), writable(write) {
        rocksdb::DBOptions options = database_options();
        options.create_if_missing = options.error_if_exists = options.create_missing_column_families = create;
        // A reader opens all files at once: the writer beside it may remove them by compaction later.
        if (!write) options.max_open_files = -1;
        const auto cache = rocksdb::NewLRUCache(48 << 20);
        std::vector<rocksdb::ColumnFamilyDescriptor> families;
        for (const char* name : kFamilyNames) families.emplace_back(name, family_options(cache));
        rocksdb::DB* raw = nullptr;
        rocksdb::Status status;
        for (int tries = write ? 1 : kReaderTries; tries > 0; --tries) {
            status = write ? rocksdb::DB::Open(options, path, families, &handles, &raw)
                           : rocksdb::DB::OpenForReadOnly(options, path, families, &handles, &raw);
            if (status.ok() || status.ToString().find("No such file") == std::string::npos) break;
            std::this_thread::sleep_for(kReaderTick);
        }
        db.reset(raw);
        if (!status.ok()) {
            // At open any failure but of space means that the files are not what they were; a new one has none.
            if (create || out_of_space(status)) require(status, create ? "making a new database" : "opening");
            throw IndexDamaged(fmt::format("opening the index: {}", status.ToString()));
        }
    }
    ~Database() {
        for (rocksdb::ColumnFamilyHandle* handle : handles) (void)db->DestroyColumnFamilyHandle(handle);
        if (db) (void)db->Close();
    }
    std::optional<std::string> get(Family family, ByteView key, const char* doing) const {
        std::string value;
        const rocksdb::Status status = db->Get(rocksdb::ReadOptions(), handles[family], slice(key), &value);
        if (status.IsNotFound()) return std::nullopt;
        require_read(status, doing);
        return value;
    }
    void put(Family family, ByteView key, ByteView value, const char* doing) {
        require(db->Put(unlogged(), handles[family], slice(key), slice(value)), doing);
    }
    void erase(Family family, ByteView key, const char* doing) {
        require(db->Delete(unlogged(), handles[family], slice(key)), doing);
    }
};

static std::string fresh_generation() {
    std::array<uint8_t, 16> random{};
    random_bytes(random);
    return to_hex(random);
}

std::unique_ptr<Index> Index::create(const std::string& folder, const RepositoryId& repository) {
    auto made = std::make_unique<Database>(folder, true, true);
    Database& database = *made;
    database.put(kDefault, view_of("repository"), repository.view(), "writing");
    database.put(kDefault, view_of("version"), Encoder().u32(kIndexVersion).take(), "writing");
    database.put(kDefault, view_of("generation"), view_of(fresh_generation()), "writing");
    require(database.db->Flush({}, database.handles[kDefault]), "flushing");
    return std::unique_ptr<Index>(new Index(std::move(made), repository));
}

Index::Index(const std::string& folder, IndexMode mode, const RepositoryId& repository)
    : Index(std::make_unique<Database>(folder, mode == IndexMode::read_write, false), repository) {}

Index::Index(std::unique_ptr<Database> database, const RepositoryId& repository) : database_(std::move(database)) {
    const auto id = database_->get(kDefault, view_of("repository"), "reading");
    const auto version = database_->get(kDefault, view_of("version"), "reading");
    const auto generation = database_->get(kDefault, view_of("generation"), "reading");
    if (!id || !version || !generation || text_of(repository.view()) != *id ||
        *version != text_of(Encoder().u32(kIndexVersion).take())) {
        throw IndexDamaged("the index is not this repository's, or not of this version");
    }
    generation_ = *generation;
    load_packs();
}

Index::~Index() = default;

void Index::load_packs() {
    const std::unique_ptr<rocksdb::Iterator> it(database_->db->NewIterator(rocksdb::ReadOptions(), database_->handles[kPacks]));
    for (it->SeekToFirst(); it->Valid(); it->Next()) {
        const IndexedPack pack = decode_pack(view(it->value()));
        packs_.emplace(number_of(pack.id), pack);
    }
    require_read(it->status(), "listing packs");
}

void Index::renew_generation() {
    generation_ = fresh_generation();
    database_->put(kDefault, view_of("generation"), view_of(generation_), "writing");
    require(database_->db->Flush({}, database_->handles[kDefault]), "flushing");
}

void Index::lookup(std::span<const ChunkId> ids, std::span<std::optional<Location>> out) const {
    if (ids.size() <= kFew) return look_up_few(ids, out);
    const bool sorted = std::ranges::is_sorted(ids);
    if (sorted && ids.size() >= kScanAtLeast) {
        uint64_t indexed = 0;
        for (const auto& [number, pack] : packs_) indexed += pack.chunks;
        if (ids.size() >= indexed / kScanOneOf) return scan(ids, out);
    }
    look_up_each(ids, out, sorted);
}

std::optional<Location> Index::of_live_pack(ByteView value) const {
    const Location location = decode_location(value);
    return packs_.contains(location.pack) ? std::optional(location) : std::nullopt;
}

// What MultiGet saves is less than its places for many values cost to make.
void Index::look_up_few(std::span<const ChunkId> ids, std::span<std::optional<Location>> out) const {
    rocksdb::PinnableSlice value;
    for (size_t i = 0; i < ids.size(); ++i, value.Reset()) {
        const rocksdb::Status status =
            database_->db->Get(rocksdb::ReadOptions(), database_->handles[kChunks], slice(chunk_key(ids[i])), &value);
        if (!status.IsNotFound()) require_read(status, "looking up chunks");
        out[i] = status.ok() ? of_live_pack(view(value)) : std::nullopt;
    }
}

void Index::look_up_each(std::span<const ChunkId> ids, std::span<std::optional<Location>> out, bool sorted) const {
    constexpr size_t kBatch = 512;
    std::array<rocksdb::Slice, kBatch> keys;
    std::array<rocksdb::PinnableSlice, kBatch> values;
    std::array<rocksdb::Status, kBatch> statuses;
    for (size_t from = 0; from < ids.size(); from += kBatch) {
        const size_t n = std::min(kBatch, ids.size() - from);
        for (size_t i = 0; i < n; ++i) {
            keys[i] = slice(chunk_key(ids[from + i]));
            values[i].Reset();
        }
        database_->db->MultiGet(rocksdb::ReadOptions(), database_->handles[kChunks], n, keys.data(), values.data(),
                                statuses.data(), sorted);
        for (size_t i = 0; i < n; ++i) {
            if (!statuses[i].IsNotFound()) require_read(statuses[i], "looking up chunks");
            out[from + i] = statuses[i].ok() ? of_live_pack(view(values[i])) : std::nullopt;
        }
    }
}

void Index::scan(std::span<const ChunkId> ids, std::span<std::optional<Location>> out) const {
    rocksdb::ReadOptions options;
    options.readahead_size = kScanReadBytes;
    options.fill_cache = false;
    const std::unique_ptr<rocksdb::Iterator> it(database_->db->NewIterator(options, database_->handles[kChunks]));
    if (!ids.empty()) it->Seek(slice(chunk_key(ids[0])));
    for (size_t i = 0; i < ids.size(); ++i) {
        const rocksdb::Slice key = slice(chunk_key(ids[i]));
        out[i].reset();
        while (it->Valid() && it->key().compare(key) < 0) it->Next();
        if (!it->Valid()) require_read(it->status(), "looking up chunks");
        if (!it->Valid() || it->key() != key) continue;
        out[i] = of_live_pack(view(it->value()));
    }
}

void Index::put_chunks(std::span<const PackContents> packs) {
    struct Placed {
        uint64_t first;  // bytes of the id, as a number: most comparisons need no more
        const ChunkEntry* chunk;
        PackNumber pack;
        uint32_t offset;
        uint16_t segment;
        auto operator<=>(const Placed& other) const {
            return first != other.first ? first <=> other.first : chunk->id <=> other.chunk->id;
        }
    };
    std::vector<Placed> placed;
    for (const auto& [pack, directory] : packs) {
        require_own_number(pack);  // before its chunks are said to lie in the other one
        for (size_t s = 0; s < directory.size(); ++s) {
            uint32_t offset = 0;
            for (const ChunkEntry& chunk : directory[s].chunks) {
                placed.push_back({chunk.id.first_eight(), &chunk, number_of(pack.id), offset, static_cast<uint16_t>(s)});
                offset += chunk.length;
            }
        }
    }
    // In order: an insertion into the memtable then begins where the one before ended. Stable: a chunk that two of these packs
    // hold is where the later one says.
    std::ranges::stable_sort(placed, [](const Placed& a, const Placed& b) { return (a <=> b) < 0; });
    rocksdb::WriteBatch batch(0, 0, 8, 0);
    for (const Placed& at : placed) {
        const LocationValue value = encode_location({at.pack, at.segment, at.offset, at.chunk->length});
        require(batch.Put(database_->handles[kChunks], slice(chunk_key(at.chunk->id)), slice(value)), "adding chunks");
        if (batch.Count() == 4096) {
            require(database_->db->Write(unlogged(), &batch), "adding chunks");
            batch.Clear();
        }
    }
    if (batch.Count() > 0) require(database_->db->Write(unlogged(), &batch), "adding chunks");
}

void Index::require_own_number(const IndexedPack& pack) const {
    const auto other = packs_.find(number_of(pack.id));
    if (other != packs_.end() && other->second.id != pack.id)
        throw Error(Code::failed, "two packs share the first eight bytes of their ids");
}

void Index::add_pack(const IndexedPack& pack) {
    require_own_number(pack);
    const PackNumber number = number_of(pack.id);
    // Written by flush() only: RocksDB flushes a family whenever memory runs short, and packs could come before their chunks.
    unwritten_packs_.insert(number);
    packs_.insert_or_assign(number, pack);
}

void Index::add_packs(std::span<const PackContents> added) {
    put_chunks(added);
    for (const PackContents& one : added) add_pack(one.pack);
}

void Index::forget_pack(PackNumber number) {
    database_->erase(kPacks, pack_key(number), "forgetting a pack");
    unwritten_packs_.erase(number);
    packs_.erase(number);
}

void Index::set_verified(PackNumber number, int64_t wall_ms) {
    IndexedPack& pack = packs_.at(number);
    pack.verified_ms = wall_ms;
    if (!unwritten_packs_.contains(number)) database_->put(kPacks, pack_key(number), encode_pack(pack), "marking a pack");
}

std::optional<Bytes> Index::record(const RecordName& name) const {
    const auto value = database_->get(kCatalog, record_key(name), "reading the catalog");
    if (!value) return std::nullopt;
    const ByteView bytes = view_of(*value);
    return Bytes(bytes.begin(), bytes.end());
}

void Index::put_record(const RecordName& name, ByteView file) {
    database_->put(kCatalog, record_key(name), file, "writing the catalog");
}
void Index::remove_record(const RecordName& name) { database_->erase(kCatalog, record_key(name), "writing the catalog"); }

void Index::each_chunk(const std::function<void(ByteView, const Location&)>& each) const {
    rocksdb::ReadOptions options;
    options.fill_cache = false;
    const std::unique_ptr<rocksdb::Iterator> it(database_->db->NewIterator(options, database_->handles[kChunks]));
    for (it->SeekToFirst(); it->Valid(); it->Next()) {
        const Location location = decode_location(view(it->value()));
        if (packs_.contains(location.pack)) each(view(it->key()), location);
    }
    require_read(it->status(), "listing chunks");
}

void Index::flush() {
    // The order is the promise: a pack that is known has its chunks known (I6).
    for (const Family family : {kChunks, kCatalog, kPacks, kDefault}) {
        if (family == kPacks) write_packs();
        require(database_->db->Flush({}, database_->handles[family]), "flushing");
    }
}

void Index::write_packs() {
    for (const PackNumber number : unwritten_packs_)
        database_->put(kPacks, pack_key(number), encode_pack(packs_.at(number)), "adding a pack");
    unwritten_packs_.clear();
}

uint64_t Index::bytes_on_disk() const {
    uint64_t total = 0;
    for (rocksdb::ColumnFamilyHandle* handle : database_->handles) {
        uint64_t size = 0;
        if (database_->db->GetIntProperty(handle, rocksdb::DB::Properties::kTotalSstFilesSize, &size)) total += size;
    }
    return total;
}

}  // namespace ingot
