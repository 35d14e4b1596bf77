// The store's other decoders: nodes of stream trees, heads, key bundles.
#include "store/heads.h"
#include "store/keys.h"
#include "store/tree.h"
#include "tests/fuzz/fuzz.h"

namespace ingot::fuzz {
namespace {

const Bytes& head_key() {
    static const Bytes key(32, 7);
    return key;
}

}  // namespace

std::vector<Bytes> seeds() {
    std::vector<Bytes> out;
    TreeBuilder builder;
    const auto emit = [&](const Digest&, Bytes node) {
        if (out.size() < 3) out.push_back(tagged(static_cast<uint8_t>(3 * out.size()), node));
    };
    for (uint64_t i = 0; i < 300; ++i) {
        Digest digest{};
        digest.bytes[0] = static_cast<uint8_t>(i * 7);
        digest.bytes[1] = static_cast<uint8_t>(i);
        builder.add(digest, 1000 + i, emit);
    }
    (void)builder.finish(emit);
    WriterState state;
    const RecordName record{RecordKind::manifest, RecordId{}};
    out.push_back(tagged(1, encode_head(next_head(state, WriterId{}, {record}, {}, false), RepositoryId{}, head_key())));
    out.push_back(tagged(1, encode_head(next_head(state, WriterId{}, {}, {record}, true), RepositoryId{}, head_key())));
    const Secret bundle = KeyRing::generate().encode();
    out.push_back(tagged(2, bundle.view()));
    return out;
}

}  // namespace ingot::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace ingot;
    using namespace ingot::fuzz;
    Input input(data, size);
    const uint8_t which = input.u8();
    decode_or_error([&] {
        if (which % 3 == 0) (void)decode_node(input.rest(), static_cast<uint8_t>(which / 3 % (kMaxTreeHeight + 2)));
        if (which % 3 == 1) (void)decode_head(input.rest(), RepositoryId{}, head_key());
        if (which % 3 == 2) (void)KeyRing::decode(input.rest());
    });
    return 0;
}
