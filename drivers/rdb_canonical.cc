#include "drivers/rdb_canonical.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/error.h"
#include "drivers/rdb_crc.h"
#include "drivers/rdb_values.h"
#include "drivers/record_sort.h"

namespace ingot {
namespace {

constexpr std::string_view kAuxMagic = "ingot-redis-aux 1\n";
constexpr std::string_view kEvictionMagic = "ingot-redis-eviction 1\n";
// Fields that change only with the server's version; all others go to `aux`.
const std::set<std::string> kLasting = {"redis-ver", "valkey-ver", "redis-bits"};
constexpr size_t kSortBytes = 64 << 20;
constexpr size_t kMemberSortBytes = 16 << 20;
// Values up to here travel through the sort; larger ones stay where they are, and are fetched when it is their turn.
constexpr uint64_t kInlineBytes = 4096;
constexpr size_t kBufferBytes = 1 << 20;
// A dump has a handful of these; what has more is no dump, and would fill the memory.
constexpr size_t kMostFields = 1000;
constexpr uint32_t kIdleNotKnown = UINT32_MAX;

enum class Where : uint8_t { here = 0, in_file = 1, in_sorted = 2 };
enum class Eviction : uint8_t { none = 0, idle = 1, frequency = 2 };

// Appends to a spool, through a buffer, and keeps the CRC.
class Writer {
public:
    explicit Writer(Spool& spool) : spool_(spool) { buffer_.reserve(kBufferBytes); }

    void write(ByteView bytes) {
        if (buffer_.size() + bytes.size() > kBufferBytes) flush();
        if (bytes.size() > kBufferBytes) return put(bytes);
        buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
    }
    void flush() {
        put(buffer_);
        buffer_.clear();
    }
    uint64_t crc() {
        flush();
        return crc_;
    }

private:
    void put(ByteView bytes) {
        crc_ = rdb_crc(crc_, bytes);
        spool_.append(bytes);
    }

    Spool& spool_;
    Bytes buffer_;
    uint64_t crc_ = 0;
};

// Numbers first, so that keys of one database stand together.
Bytes sort_key(uint32_t db, std::string_view key) {
    Bytes out;
    out.reserve(4 + key.size());
    for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<uint8_t>(db >> shift));
    out.insert(out.end(), key.begin(), key.end());
    return out;
}

class Collector : public RdbHandler {
public:
    Collector(const RdbBytes& bytes, const CanonicalOptions& options, CanonicalRdb& out)
        : bytes_(bytes), options_(options), out_(out), sort_(options.spool_dir, kSortBytes) {}

    void aux(const std::string& name, const std::string& value) override {
        if (out_.fields.size() >= kMostFields) throw Error(Code::damaged, "RDB: it has too many auxiliary fields");
        out_.fields[name] = value;
    }

    void function(std::string code) override {
        if (options_.dbs.empty()) functions_.push_back(std::move(code));
    }

    void module_aux(Bytes raw, bool after) override {
        if (options_.dbs.empty()) (after ? after_ : before_).push_back(std::move(raw));
    }

    void key(const RdbKey& key, const RdbInput& in) override {
        uint32_t db = key.db;
        if (!options_.dbs.empty()) {
            const auto found = options_.dbs.find(key.db);
            if (found == options_.dbs.end() || key.key == options_.without) return;
            db = found->second;
        }
        RdbDbCount& count = out_.dbs[db];
        ++count.keys;
        if (key.expire_ms != kNeverExpires) ++count.expires;
        if (key.idle_s) eviction_ = Eviction::idle;
        if (key.frequency) eviction_ = Eviction::frequency;
        const uint64_t known = key.idle_s ? std::min<uint64_t>(*key.idle_s, kIdleNotKnown - 1) : key.frequency.value_or(0);
        Encoder out;
        out.u8(key.type).i64(key.expire_ms).u32(static_cast<uint32_t>(known));
        value(key, in, out);
        sort_.add(sort_key(db, key.key), out.bytes());
        if (options_.seen) options_.seen(key);
    }

    void write() {
        sort_.finish();
        std::sort(functions_.begin(), functions_.end());
        out_.functions = functions_.size();
        out_.dump = std::make_unique<Spool>(options_.spool_dir);
        Writer writer(*out_.dump);
        const int digits = out_.read.magic == "VALKEY" ? 3 : 4;
        writer.write(view_of(fmt::format("{}{:0{}}", out_.read.magic, out_.read.version, digits)));
        for (const auto& [name, field] : out_.fields) {
            if (kLasting.contains(name)) write_item(writer, kRdbAux, {name, field});
        }
        for (const Bytes& raw : before_) writer.write(raw);
        for (const std::string& code : functions_) write_item(writer, kRdbFunction, {code});
        write_keys(writer);
        for (const Bytes& raw : after_) writer.write(raw);
        const uint8_t end = kRdbEnd;
        writer.write({&end, 1});
        // The sum of none stays that of none: zero would be read as "no CRC", and is.
        Encoder crc;
        crc.u64(writer.crc());
        writer.write(crc.bytes());
        writer.flush();
    }

private:
    void value(const RdbKey& key, const RdbInput& in, Encoder& out) {
        if (rdb_value_has_free_order(key.type)) {
            if (key.value_bytes <= kInlineBytes) {
                const Bytes bytes = in.since(key.value_offset);
                const RdbBytes there{bytes.size(), [&](uint64_t offset, std::span<uint8_t> into) {
                                         const size_t n = std::min<size_t>(into.size(), bytes.size() - offset);
                                         std::copy_n(bytes.data() + offset, n, into.data());
                                         return n;
                                     }};
                out.u8(static_cast<uint8_t>(Where::here));
                write_sorted_value(there, 0, bytes.size(), key.type, options_.spool_dir, kMemberSortBytes,
                                   [&](ByteView part) { out.raw(part); });
                return;
            }
            if (!sorted_) sorted_ = std::make_unique<Spool>(options_.spool_dir);
            const uint64_t offset = sorted_->size();
            Bytes buffer;
            const auto flush = [&] {
                sorted_->append(buffer);
                buffer.clear();
            };
            write_sorted_value(bytes_, key.value_offset, key.value_bytes, key.type, options_.spool_dir, kMemberSortBytes,
                               [&](ByteView part) {
                                   buffer.insert(buffer.end(), part.begin(), part.end());
                                   if (buffer.size() >= kBufferBytes) flush();
                               });
            flush();
            out.u8(static_cast<uint8_t>(Where::in_sorted)).u64(offset).u64(key.value_bytes);
            return;
        }
        if (key.value_bytes <= kInlineBytes) {
            out.u8(static_cast<uint8_t>(Where::here)).raw(in.since(key.value_offset));
        } else {
            out.u8(static_cast<uint8_t>(Where::in_file)).u64(key.value_offset).u64(key.value_bytes);
        }
    }

    static void write_item(Writer& writer, uint8_t opcode, const std::vector<std::string>& strings) {
        Bytes out{opcode};
        for (const std::string& string : strings) put_rdb_string(out, string);
        writer.write(out);
    }

    void write_keys(Writer& writer) {
        std::optional<Writer> eviction;
        if (eviction_ != Eviction::none) {
            out_.eviction = std::make_unique<Spool>(options_.spool_dir);
            eviction.emplace(*out_.eviction);
            eviction->write(view_of(kEvictionMagic));
            const auto kind = static_cast<uint8_t>(eviction_);
            eviction->write({&kind, 1});
        }
        std::optional<uint32_t> selected;
        while (const auto record = sort_.next()) {
            uint32_t db = 0;
            for (int i = 0; i < 4; ++i) db = db << 8 | record->key[static_cast<size_t>(i)];
            if (selected != db) select(writer, db);
            selected = db;
            Decoder in(record->payload, "a sorted key");
            const uint8_t type = in.u8();
            const int64_t expire_ms = in.i64();
            const uint32_t known = in.u32();
            Encoder out;
            if (expire_ms != kNeverExpires) out.u8(kRdbExpireMs).i64(expire_ms);
            out.u8(type);
            Bytes name;
            put_rdb_string(name, text_of(record->key.subspan(4)));
            out.raw(name);
            writer.write(out.bytes());
            write_value(writer, in);
            if (!eviction) continue;
            Encoder evict;
            if (eviction_ == Eviction::idle) {
                evict.u32(known);
            } else {
                evict.u8(static_cast<uint8_t>(known));
            }
            eviction->write(evict.bytes());
        }
        if (eviction) eviction->flush();
    }

    void select(Writer& writer, uint32_t db) {
        const RdbDbCount& count = out_.dbs[db];
        Bytes out{kRdbSelectDb};
        put_rdb_length(out, db);
        out.push_back(kRdbResizeDb);
        put_rdb_length(out, count.keys);
        put_rdb_length(out, count.expires);
        writer.write(out);
    }

    void write_value(Writer& writer, Decoder& in) {
        const auto where = static_cast<Where>(in.u8());
        if (where == Where::here) return writer.write(in.raw(in.left()));
        uint64_t offset = in.u64();
        uint64_t left = in.u64();
        const RdbBytes from = where == Where::in_file ? bytes_ : bytes_of(*sorted_);
        Bytes buffer(static_cast<size_t>(std::min<uint64_t>(left, kBufferBytes)));
        while (left > 0) {
            const auto wanted = static_cast<size_t>(std::min<uint64_t>(left, buffer.size()));
            const size_t n = from.read_at(offset, std::span(buffer).first(wanted));
            if (n == 0) throw Error(Code::failed, "a spool of an RDB file ends too early", "run the command again");
            writer.write(ByteView(buffer).first(n));
            offset += n;
            left -= n;
        }
    }

    const RdbBytes& bytes_;
    const CanonicalOptions& options_;
    CanonicalRdb& out_;
    RecordSort sort_;
    std::unique_ptr<Spool> sorted_;
    std::vector<std::string> functions_;
    std::vector<Bytes> before_;
    std::vector<Bytes> after_;
    Eviction eviction_ = Eviction::none;
};

std::unique_ptr<Spool> copy_of(const RdbBytes& bytes, const std::string& spool_dir) {
    auto out = std::make_unique<Spool>(spool_dir);
    Bytes buffer(kBufferBytes);
    for (uint64_t at = 0; at < bytes.size;) {
        const size_t n = bytes.read_at(at, buffer);
        if (n == 0) break;
        out->append(ByteView(buffer).first(n));
        at += n;
    }
    return out;
}

}  // namespace

CanonicalRdb canonical_rdb(const RdbBytes& bytes, const CanonicalOptions& options) {
    CanonicalRdb out;
    Collector collector(bytes, options, out);
    out.read = read_rdb(bytes, collector);
    if (out.raw()) {
        out.dump = copy_of(bytes, options.spool_dir);
    } else {
        collector.write();
    }
    Encoder aux;
    aux.raw(kAuxMagic).u32(static_cast<uint32_t>(out.fields.size()));
    for (const auto& [name, value] : out.fields) aux.prefixed(name).prefixed(value);
    out.aux = aux.take();
    return out;
}

RdbBytes bytes_of(const Spool& spool) {
    return {spool.size(), [&spool](uint64_t offset, std::span<uint8_t> out) { return spool.read_at(offset, out); }};
}

std::map<std::string, std::string> decode_rdb_aux(ByteView bytes) {
    Decoder in(bytes, "the auxiliary fields of an RDB file");
    in.expect(kAuxMagic);
    std::map<std::string, std::string> out;
    for (uint32_t n = in.count(8); n > 0; --n) {
        std::string name = in.prefixed_text(bytes.size());
        out[std::move(name)] = in.prefixed_text(bytes.size());
    }
    in.finish();
    return out;
}

}  // namespace ingot
