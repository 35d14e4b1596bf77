#include "drivers/rdb_values.h"

#include "base/error.h"
#include "drivers/record_sort.h"

namespace ingot {
namespace {

// Module data describes itself, so that it can be passed over without the module.
enum ModuleOpcode : uint64_t { kEnd = 0, kSigned = 1, kUnsigned = 2, kFloat = 3, kDouble = 4, kString = 5 };
// "To be loaded before the keys" is bit 0, "after them" bit 1 of a module's auxiliary data.
constexpr uint64_t kAfterKeys = 2;
// A stream's entry id, raw.
constexpr uint64_t kIdBytes = 16;
constexpr uint64_t kTimeBytes = 8;

void skip_strings(RdbInput& in, uint64_t each) {
    for (uint64_t n = in.length(); n > 0; --n) {
        for (uint64_t i = 0; i < each; ++i) in.skip_string();
    }
}

void skip_lengths(RdbInput& in, int count) {
    for (; count > 0; --count) in.length();
}

// A score as text: one byte of length, of which the three highest stand for NaN and the infinities.
void skip_text_score(RdbInput& in) {
    const uint8_t size = in.byte();
    if (size < 253) in.skip(size);
}

void skip_quicklist2(RdbInput& in) {
    for (uint64_t n = in.length(); n > 0; --n) {
        if (const uint64_t container = in.length(); container != 1 && container != 2)
            in.fail("a list's node is of no known kind");
        in.skip_string();
    }
}

// `version`: 1 of Redis 5, 2 of 7.0 (first id, deleted ids, entries ever added and read), 3 of 7.2 (consumers' last activity).
void skip_stream(RdbInput& in, int version) {
    skip_strings(in, 2);  // listpacks, each after its first id
    skip_lengths(in, 3);  // entries, last id
    if (version >= 2) skip_lengths(in, 5);
    for (uint64_t groups = in.length(); groups > 0; --groups) {
        in.skip_string();
        skip_lengths(in, version >= 2 ? 3 : 2);
        for (uint64_t pending = in.length(); pending > 0; --pending) {
            in.skip(kIdBytes + kTimeBytes);
            in.length();
        }
        for (uint64_t consumers = in.length(); consumers > 0; --consumers) {
            in.skip_string();
            in.skip(version >= 3 ? 2 * kTimeBytes : kTimeBytes);
            for (uint64_t pending = in.length(); pending > 0; --pending) in.skip(kIdBytes);
        }
    }
}

void skip_member(RdbInput& in, uint8_t type) {
    if (type == kRdbHashMetadata) in.length();
    in.skip_string();
    if (type != kRdbSet) in.skip_string();
}

}  // namespace

bool skip_rdb_module(RdbInput& in, bool aux) {
    in.length();  // the module's name and version
    bool after = false;
    if (aux) {
        if (in.length() != kUnsigned) in.fail("module data does not say when it is to be loaded");
        after = (in.length() & kAfterKeys) != 0;
    }
    while (const uint64_t opcode = in.length()) {
        switch (opcode) {
            case kSigned:
            case kUnsigned:
                in.length();
                break;
            case kFloat:
                in.skip(4);
                break;
            case kDouble:
                in.skip(8);
                break;
            case kString:
                in.skip_string();
                break;
            default:
                in.fail("module data holds what is no value");
        }
    }
    return after;
}

bool skip_rdb_value(RdbInput& in, uint8_t type) {
    switch (type) {
        case kRdbString:
        case kRdbHashZipmap:
        case kRdbListZiplist:
        case kRdbSetIntset:
        case kRdbZsetZiplist:
        case kRdbHashZiplist:
        case kRdbHashListpack:
        case kRdbZsetListpack:
        case kRdbSetListpack:
            in.skip_string();
            return true;
        case kRdbList:
        case kRdbSet:
        case kRdbListQuicklist:
            skip_strings(in, 1);
            return true;
        case kRdbHash:
            skip_strings(in, 2);
            return true;
        case kRdbZset:
            for (uint64_t n = in.length(); n > 0; --n) {
                in.skip_string();
                skip_text_score(in);
            }
            return true;
        case kRdbZset2:
            for (uint64_t n = in.length(); n > 0; --n) {
                in.skip_string();
                in.skip(sizeof(double));
            }
            return true;
        case kRdbModule2:
            skip_rdb_module(in, false);
            return true;
        case kRdbListQuicklist2:
            skip_quicklist2(in);
            return true;
        case kRdbStream:
            skip_stream(in, 1);
            return true;
        case kRdbStream2:
            skip_stream(in, 2);
            return true;
        case kRdbStream3:
            skip_stream(in, 3);
            return true;
        case kRdbHashMetadata:
            in.skip(kTimeBytes);
            for (uint64_t n = in.length(); n > 0; --n) skip_member(in, type);
            return true;
        case kRdbHashListpackExpire:
            in.skip(kTimeBytes);
            in.skip_string();
            return true;
        default:
            return false;
    }
}

bool rdb_value_has_free_order(uint8_t type) { return type == kRdbSet || type == kRdbHash || type == kRdbHashMetadata; }

void write_sorted_value(const RdbBytes& bytes, uint64_t from, uint64_t size, uint8_t type, const std::string& spool_dir,
                        size_t memory_bytes, const std::function<void(ByteView)>& write) {
    RdbInput in(bytes, from, size);
    if (type == kRdbHashMetadata) in.skip(kTimeBytes);
    const uint64_t count = in.length();
    write(in.since(from));
    RecordSort sort(spool_dir, memory_bytes);
    for (uint64_t n = 0; n < count; ++n) {
        const uint64_t start = in.offset();
        skip_member(in, type);
        sort.add(in.since(start), {});
    }
    if (in.left() != 0) in.fail("a value is longer than its members");
    sort.finish();
    while (const auto record = sort.next()) write(record->key);
}

}  // namespace ingot
