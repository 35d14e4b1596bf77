// Redis's RDB files (drivers/rdb_parse.h, rdb_canonical.h): whatever the bytes, they are read, refused, or kept as they came.
// What was written anew is read again, and written anew it is the same.
#include "drivers/rdb_canonical.h"
#include "drivers/rdb_crc.h"
#include "drivers/rdb_values.h"
#include "tests/fuzz/fuzz.h"
#include "tests/support/temp_dir.h"

namespace ingot::fuzz {
namespace {

Bytes text(std::string_view bytes) { return {bytes.begin(), bytes.end()}; }

// The CRC at its end made right, so that a changed file gets past it.
Bytes with_crc(Bytes bytes) {
    Encoder crc;
    crc.u64(rdb_crc(0, bytes));
    bytes.insert(bytes.end(), crc.bytes().begin(), crc.bytes().end());
    return bytes;
}

Bytes all_of(const CanonicalRdb& rdb) {
    Bytes out(static_cast<size_t>(rdb.dump->size()));
    require(rdb.dump->read_at(0, out) == out.size(), "a spool is shorter than it says");
    return out;
}

CanonicalRdb canonical(const Bytes& file) {
    static const std::string folder = test::fast_folder();
    Spool spool(folder);
    spool.append(file);
    CanonicalOptions options;
    options.spool_dir = folder;
    return canonical_rdb(bytes_of(spool), options);
}

void whole_file(const Bytes& file) {
    const CanonicalRdb first = canonical(file);
    decode_rdb_aux(first.aux);
    if (first.raw()) return;
    const Bytes once = all_of(first);
    require(all_of(canonical(once)) == once, "a dump in its one form has another one");
}

// LZF and one value of any type.
void value(ByteView bytes) {
    if (bytes.empty()) return;
    const uint8_t type = bytes.front();
    const ByteView rest = bytes.subspan(1);
    Bytes out(1024);
    lzf_decompress(rest, out);
    const RdbBytes source{rest.size(), [&](uint64_t offset, std::span<uint8_t> into) {
                              const size_t n = std::min<size_t>(into.size(), rest.size() - offset);
                              std::copy_n(rest.data() + offset, n, into.data());
                              return n;
                          }};
    RdbInput in(source, 0, rest.size());
    skip_rdb_value(in, type);
}

}  // namespace

std::vector<Bytes> seeds() {
    using namespace std::string_view_literals;
    const auto file = [](std::string_view items) { return text("REDIS0010" + std::string(items) + "\xff"); };
    std::vector<Bytes> out;
    for (const std::string_view items :
         {"\xfa\x09redis-ver\x06"
          "7.0.15\xfe\x00\xfb\x02\x00\x00\x01k\x01v\x02\x01s\x02\x01"
          "b\x01"
          "a"sv,
          "\xf5\x03lib\xf7\x05\x02\x01\x00\xfe\x03\xfc\x01\x00\x00\x00\x00\x00\x00\x00\x04\x01h\x01\x01"
          "f\xc0\x05"sv,
          "\xf8\x05\x12\x01l\x01\x01\x01x\xf9\x07\x05\x01z\x01\x01m\x00\x00\x00\x00\x00\x00\x00\x00"sv,
          "\x00\xc3\x05\x0a\x00\x61\xe0\x00\x00\x01v"sv, "\x07\x01m\x05\x01\x07\x02\x07\x05\x01x\x00"sv}) {
        out.push_back(tagged(0, file(items)));
        out.push_back(tagged(1, with_crc(file(items))));
    }
    out.push_back(tagged(2, text("\x13\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"sv)));
    return out;
}

}  // namespace ingot::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace ingot::fuzz;
    Input input(data, size);
    const uint8_t which = input.u8();
    decode_or_error([&] {
        const ingot::Bytes rest(input.rest().begin(), input.rest().end());
        if (which % 3 == 0) whole_file(with_crc(rest));
        if (which % 3 == 1) whole_file(rest);
        if (which % 3 == 2) value(rest);
    });
    return 0;
}
