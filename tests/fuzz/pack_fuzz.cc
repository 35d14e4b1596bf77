// Packs: header, directory, footer (store/pack_format.h), and segments of every compression (store/compress.h).
#include "store/pack_format.h"
#include "tests/fuzz/fuzz.h"

namespace ingot::fuzz {
namespace {

// The length that a directory would give for a segment: checked by the pack's decoder, so it is within its limit here.
constexpr uint32_t kPlainLimitBytes = 64 << 10;

const Sealer& plain_sealer() {
    static const Sealer sealer = KeyRing::plain().directory_sealer(Seal::none, RepositoryId{}, Salt{});
    return sealer;
}

Bytes a_header() {
    const auto header = encode_pack_header({});
    return {header.begin(), header.end()};
}

void directory(ByteView bytes) {
    decode_or_error([&] { (void)decode_public_directory(bytes); });
    const Bytes header = a_header();
    const std::vector<SegmentEntry> segments = decode_directory(bytes, header, plain_sealer(), RepositoryId{});
    const Bytes again = encode_directory(segments, header, plain_sealer(), RepositoryId{});
    require(again == Bytes(bytes.begin(), bytes.end()), "a directory has two encodings");
}

void segment(Input input) {
    const auto compression = static_cast<Compression>(input.u8());
    const uint32_t plain_length = input.u32() % kPlainLimitBytes;
    Bytes plain;
    decompress(compression, input.rest(), plain_length, plain);
    require(plain.size() == plain_length, "a segment of another length");
}

Bytes segment_seed(const Bytes& plain) {
    Bytes stored;
    const Compression compression = compress(plain, stored);
    Encoder out;
    out.u8(3).u8(static_cast<uint8_t>(compression)).u32(static_cast<uint32_t>(plain.size())).raw(stored);
    return out.take();
}

}  // namespace

std::vector<Bytes> seeds() {
    SegmentEntry entry;
    entry.offset = kPackHeaderBytes;
    entry.length = 100;
    entry.plain_length = 100;
    entry.chunks = {{ChunkId{}, 60}, {ChunkId{}, 40}};
    SegmentEntry second = entry;
    second.offset += 100;
    second.chunks = {{ChunkId{}, 100}};
    return {tagged(0, a_header()), tagged(1, encode_directory({entry, second}, a_header(), plain_sealer(), RepositoryId{})),
            tagged(2, encode_pack_footer({kPackHeaderBytes, 64, PackId{}})), segment_seed(Bytes(5'000, 'a')),
            segment_seed({1, 2, 3, 4, 5})};
}

}  // namespace ingot::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace ingot::fuzz;
    Input input(data, size);
    const uint8_t which = input.u8();
    decode_or_error([&] {
        if (which % 4 == 0) (void)ingot::decode_pack_header(input.rest());
        if (which % 4 == 1) directory(input.rest());
        if (which % 4 == 2) (void)ingot::decode_pack_footer(input.rest(), input.rest().size() + 1'000);
        if (which % 4 == 3) segment(input);
    });
    return 0;
}
