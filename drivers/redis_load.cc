#include "drivers/redis_load.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/interrupt.h"
#include "drivers/rdb_crc.h"

namespace ingot {
namespace {

// Commands on their way: the server works on some while others are written.
constexpr uint64_t kMostPending = 1024;
// Values up to here are sent as one; larger ones in pieces of this size.
constexpr uint64_t kPieceBytes = 1 << 20;
// After type and value: u16 version, u64 CRC.
constexpr uint64_t kFooterBytes = 10;
constexpr std::string_view kEvictionMagic = "ingot-redis-eviction 1\n";

Bytes footer(int version, uint64_t crc_before) {
    Encoder out;
    out.u16(static_cast<uint16_t>(version));
    out.u64(rdb_crc(crc_before, out.bytes()));
    return out.take();
}

class Looker : public RdbHandler {
public:
    void aux(const std::string& name, const std::string& value) override { look.fields[name] = value; }
    void function(std::string code) override { look.functions.push_back(std::move(code)); }
    void module_aux(Bytes, bool) override {}
    void key(const RdbKey& key, const RdbInput&) override {
        RdbDbCount& count = look.dbs[key.db];
        ++count.keys;
        if (key.expire_ms != kNeverExpires) ++count.expires;
        look.largest_value = std::max(look.largest_value, key.value_bytes);
    }
    RedisDumpLook look;
};

class Loader : public RdbHandler {
public:
    Loader(RedisConnection& connection, const RdbBytes& dump, const RdbBytes& eviction, int version,
           const std::map<uint32_t, uint32_t>& spares)
        : connection_(connection), dump_(dump), eviction_(eviction, 0, eviction.size), version_(version), spares_(spares) {
        if (eviction.size == 0) return;
        std::string magic(kEvictionMagic.size(), '\0');
        eviction_.raw({reinterpret_cast<uint8_t*>(magic.data()), magic.size()});
        if (magic != kEvictionMagic) eviction_.fail("it does not begin as a file of evictions");
        kind_ = eviction_.byte();
    }

    void aux(const std::string&, const std::string&) override {}
    void function(std::string) override {}
    void module_aux(Bytes, bool) override {}

    void key(const RdbKey& key, const RdbInput& in) override {
        const uint32_t spare = spares_.at(key.db);
        if (selected_ != spare) {
            connection_.send({"SELECT", std::to_string(spare)});
            ++pending_;
            selected_ = spare;
        }
        std::vector<std::string> after{"REPLACE", "ABSTTL"};
        if (kind_ == 1) after.insert(after.end(), {"IDLETIME", std::to_string(eviction_.little(4))});
        if (kind_ == 2) after.insert(after.end(), {"FREQ", std::to_string(eviction_.byte())});
        send(key, in, {after.begin(), after.end()});
        ++keys_;
        ++pending_;
        if (pending_ >= kMostPending) drain(kMostPending / 2);
    }

    uint64_t finish() {
        drain(0);
        return keys_;
    }

private:
    void send(const RdbKey& key, const RdbInput& in, const RedisConnection::Words& after) {
        const std::string ttl = std::to_string(key.expire_ms == kNeverExpires ? 0 : std::max<int64_t>(key.expire_ms, 1));
        connection_.send_open(4 + after.size(), {"RESTORE", key.key, ttl}, 1 + key.value_bytes + kFooterBytes);
        uint64_t crc = rdb_crc(0, {&key.type, 1});
        connection_.send_raw({&key.type, 1});
        const auto piece = [&](ByteView bytes) {
            crc = rdb_crc(crc, bytes);
            connection_.send_raw(bytes);
        };
        if (key.value_bytes <= kPieceBytes) {
            piece(in.since(key.value_offset));
        } else {
            Bytes buffer(kPieceBytes);
            for (uint64_t at = 0; at < key.value_bytes;) {
                const auto wanted = static_cast<size_t>(std::min<uint64_t>(kPieceBytes, key.value_bytes - at));
                const size_t n = dump_.read_at(key.value_offset + at, std::span(buffer).first(wanted));
                if (n == 0) in.fail("it is shorter than it was");
                piece(ByteView(buffer).first(n));
                at += n;
            }
        }
        connection_.send_raw(footer(version_, crc));
        connection_.send_close(after);
    }

    void drain(uint64_t leave) {
        check_interrupted();
        for (; pending_ > leave; --pending_) {
            const RedisReply reply = connection_.read();
            if (reply.is_error()) {
                throw connection_.error(fmt::format("loading: {}", reply.text), reply.text.starts_with("OOM")
                                                                                    ? "give it more memory (maxmemory)"
                                                                                    : "see the server's log");
            }
        }
    }

    RedisConnection& connection_;
    const RdbBytes& dump_;
    RdbInput eviction_;
    int version_;
    const std::map<uint32_t, uint32_t>& spares_;
    std::optional<uint32_t> selected_;
    uint8_t kind_ = 0;
    uint64_t keys_ = 0;
    uint64_t pending_ = 0;
};

}  // namespace

RedisDumpLook look_at_dump(const RdbBytes& dump) {
    Looker looker;
    looker.look.read = read_rdb(dump, looker);
    if (!looker.look.read.not_known.empty()) {
        throw Error(
            Code::failed,
            fmt::format("the dump was kept as it came, because it could not be understood {}", looker.look.read.not_known),
            "`ingot restore ID --to DIR` gives the file; put it where the stopped server has its own, and start it");
    }
    return std::move(looker.look);
}

uint64_t load_dump(RedisConnection& connection, const RdbBytes& dump, const RdbBytes& eviction, int version,
                   const std::map<uint32_t, uint32_t>& spares) {
    Loader loader(connection, dump, eviction, version, spares);
    read_rdb(dump, loader);
    return loader.finish();
}

std::string function_payload(const std::vector<std::string>& libraries, int version) {
    std::vector<std::string> sorted = libraries;
    std::sort(sorted.begin(), sorted.end());
    Bytes out;
    for (const std::string& code : sorted) {
        out.push_back(kRdbFunction);
        put_rdb_string(out, code);
    }
    const Bytes end = footer(version, rdb_crc(0, out));
    out.insert(out.end(), end.begin(), end.end());
    return std::string(text_of(out));
}

std::vector<std::string> libraries_in(std::string_view payload) {
    if (payload.size() < kFooterBytes) throw Error(Code::damaged, "a FUNCTION DUMP is shorter than its footer");
    const ByteView all = view_of(payload);
    const RdbBytes bytes{all.size(), [all](uint64_t offset, std::span<uint8_t> out) {
                             const size_t n = std::min<size_t>(out.size(), all.size() - offset);
                             std::copy_n(all.data() + offset, n, out.data());
                             return n;
                         }};
    RdbInput in(bytes, 0, all.size() - kFooterBytes);
    std::vector<std::string> out;
    while (in.left() > 0) {
        if (in.byte() != kRdbFunction) in.fail("a FUNCTION DUMP holds what is no library");
        out.push_back(in.string());
    }
    std::sort(out.begin(), out.end());
    return out;
}

int version_of_payload(std::string_view payload) {
    if (payload.size() < kFooterBytes) throw Error(Code::damaged, "a payload is shorter than its footer");
    Decoder in(view_of(payload).subspan(payload.size() - kFooterBytes), "a payload");
    return in.u16();
}

}  // namespace ingot
