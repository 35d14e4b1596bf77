#include "drivers/rdb_parse.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/interrupt.h"
#include "drivers/rdb_values.h"

namespace ingot {
namespace {

constexpr uint64_t kHeaderBytes = 9;
constexpr uint64_t kCrcBytes = 8;
// From version 5 on a file ends with a CRC.
constexpr int kFirstWithCrc = 5;
// Asked for an interrupt after so many keys.
constexpr uint64_t kKeysPerLook = 4096;

void read_header(RdbInput& in, RdbRead& out) {
    std::string head(kHeaderBytes, '\0');
    in.raw({reinterpret_cast<uint8_t*>(head.data()), head.size()});
    const size_t letters = head.starts_with("REDIS") ? 5 : head.starts_with("VALKEY") ? 6 : 0;
    const std::string digits = head.substr(letters);
    const bool are_digits = std::all_of(digits.begin(), digits.end(), [](char c) { return c >= '0' && c <= '9'; });
    if (letters == 0 || !are_digits) in.fail("it does not begin as an RDB file");
    out.magic = head.substr(0, letters);
    out.version = std::stoi(digits);
}

class Reader {
public:
    Reader(const RdbBytes& bytes, RdbHandler& handler) : in_(bytes, 0, bytes.size), handler_(handler) {}

    RdbRead read() {
        read_header(in_, out_);
        for (;;) {
            const uint8_t code = in_.byte();
            if (code == kRdbEnd) {
                check_end();
                return out_;
            }
            if (!item(code)) return out_;
        }
    }

private:
    bool item(uint8_t code) {
        switch (code) {
            case kRdbAux: {
                const std::string name = in_.string();
                handler_.aux(name, in_.string());
                return true;
            }
            case kRdbFunction:
                handler_.function(in_.string());
                return true;
            case kRdbModuleAux: {
                const uint64_t from = in_.offset() - 1;
                const bool after = skip_rdb_module(in_, true);
                handler_.module_aux(in_.since(from), after);
                return true;
            }
            case kRdbSelectDb: {
                const uint64_t db = in_.length();
                if (db > INT32_MAX) in_.fail("a database has no such number");
                key_.db = static_cast<uint32_t>(db);
                return true;
            }
            case kRdbResizeDb:
                in_.length();
                in_.length();
                return true;
            case kRdbSlotInfo:
                for (int i = 0; i < 3; ++i) in_.length();
                return true;
            case kRdbExpireMs:
                key_.expire_ms = static_cast<int64_t>(in_.little(8));
                return true;
            case kRdbExpireS:
                key_.expire_ms = int64_t{static_cast<int32_t>(in_.little(4))} * 1000;
                return true;
            case kRdbIdle:
                key_.idle_s = in_.length();
                return true;
            case kRdbFrequency:
                key_.frequency = in_.byte();
                return true;
            default:
                return key(code);
        }
    }

    bool key(uint8_t type) {
        key_.type = type;
        key_.key = in_.string();
        key_.value_offset = in_.offset();
        if (!skip_rdb_value(in_, type)) {
            out_.not_known = fmt::format("at byte {}: {} is no type or item that is known", key_.value_offset, type);
            return false;
        }
        key_.value_bytes = in_.offset() - key_.value_offset;
        handler_.key(key_, in_);
        const uint32_t db = key_.db;
        key_ = RdbKey();
        key_.db = db;
        if (++keys_ % kKeysPerLook == 0) check_interrupted();
        return true;
    }

    void check_end() {
        if (out_.version >= kFirstWithCrc) {
            const uint64_t wanted = in_.crc();
            if (in_.left() < kCrcBytes) in_.fail("it ends too early");
            const uint64_t found = in_.little(kCrcBytes);
            out_.has_crc = found != 0;
            if (out_.has_crc && found != wanted) in_.fail("the CRC is not that of its bytes");
        }
        if (in_.left() != 0) in_.fail(fmt::format("{} bytes follow its end", in_.left()));
    }

    RdbInput in_;
    RdbHandler& handler_;
    RdbRead out_;
    RdbKey key_;
    uint64_t keys_ = 0;
};

}  // namespace

RdbRead read_rdb(const RdbBytes& bytes, RdbHandler& handler) {
    if (bytes.size < kHeaderBytes) throw Error(Code::damaged, "RDB: it is shorter than a header");
    return Reader(bytes, handler).read();
}

}  // namespace ingot
