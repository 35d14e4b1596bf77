// The binary indexes: vectors of bits, compared by Hamming distance.
#include <algorithm>

#include "drivers/faiss_graph.h"
#include "drivers/faiss_kinds.h"
#include "drivers/faiss_lists.h"
#include "drivers/faiss_parse.h"

namespace ingot {
namespace {

bool flat(FaissParse& parse, FaissIndexHeader& header) { return parse_faiss_codes(parse, header, header.code_bytes); }

bool ivf(FaissParse& parse, FaissIndexHeader& header) {
    FaissReader& in = parse.in;
    const uint64_t nlist = in.u64("an IVF's nlist");
    in.skip(8, "an IVF's nprobe");
    const auto quantizer = parse_faiss_binary_part(parse);
    if (!quantizer) return false;
    in.check(quantizer->dimension == header.dimension, "an IVF's quantizer is of another dimension");
    const uint8_t kind = in.u8("the direct map's type");
    in.check(kind <= 2, "a direct map of no known type");
    const auto map = parse.table(8, "the direct map", faiss_cut::ids(0));
    in.check(kind != 1 || map.count == header.count(), "a direct map of another length than its index");
    if (kind == 2) parse.table(16, "the direct map", faiss_cut::ids(0, 16));
    return parse_faiss_lists(parse, {nlist, header.code_bytes, Content::bytes, header.count()});
}

bool from_float(FaissParse& parse, FaissIndexHeader& header) {
    const auto inner = parse_faiss_index(parse);
    return inner && check_faiss_same(parse, header, *inner);
}

bool hnsw(FaissParse& parse, FaissIndexHeader& header) {
    if (header.letters == fourcc("IBHc")) {
        parse.in.flag("keep_max_size_level0");
        parse.in.flag("base_level_only");
        parse.in.skip(4, "a CAGRA graph's parameters");
    }
    parse_faiss_hnsw(parse, header.count());
    const auto storage = parse_faiss_binary_part(parse);
    return storage && check_faiss_same(parse, header, *storage);
}

bool id_map(FaissParse& parse, FaissIndexHeader& header) {
    const auto inner = parse_faiss_binary_index(parse);
    if (!inner) return false;
    const auto map = parse.table(8, "the id map", faiss_cut::ids(0));
    parse.in.check(map.count == header.count(), "an id map of another length than its index");
    return check_faiss_same(parse, header, *inner);
}

// b, nflip i32; buckets u64; bits of a bucket's length i32; vec u8 of (hash, length) bit strings; the buckets.
bool hash(FaissParse& parse, FaissIndexHeader& header) {
    FaissReader& in = parse.in;
    in.skip(8, "a hash's parameters");
    const uint64_t buckets = in.u64("the number of buckets");
    in.skip(4, "the bits of a bucket's length");
    parse.table(1, "the hashes", faiss_cut::table(0));
    parse_faiss_list_pairs(parse, {buckets, header.code_bytes, Content::bytes, header.count()},
                           [&](uint64_t n, uint64_t bytes) { return bytes == saturating_product(n, header.code_bytes); });
    return true;
}

// storage; b, nhash, nflip i32; each map: bits of an id i32, entries u64, vec u8 of bit strings.
bool multi_hash(FaissParse& parse, FaissIndexHeader& header) {
    FaissReader& in = parse.in;
    const auto storage = parse_faiss_binary_part(parse);
    if (!storage) return false;
    check_faiss_same(parse, header, *storage);
    in.skip(4, "a hash's parameters");
    const int32_t maps = in.i32("the number of hash maps");
    in.skip(4, "a hash's parameters");
    for (int32_t i = 0; i < maps; ++i) {
        in.skip(12, "a hash map's size");
        parse.table(1, "a hash map", faiss_cut::table(0));
    }
    return true;
}

}  // namespace

std::span<const FaissKind> faiss_binary_kinds() {
    static constexpr FaissKind kKinds[] = {
        {fourcc("IBxF"), "BinaryFlat", flat},
        {fourcc("IBwF"), "BinaryIVF", ivf},
        {fourcc("IBFf"), "BinaryFromFloat,", from_float},
        {fourcc("IBHf"), "BinaryHNSW", hnsw},
        {fourcc("IBHc"), "BinaryHNSWCagra", hnsw},
        {fourcc("IBMp"), "IDMap,", id_map},
        {fourcc("IBM2"), "IDMap2,", id_map},
        {fourcc("IBHh"), "BinaryHash", hash},
        {fourcc("IBHm"), "BinaryMultiHash", multi_hash},
    };
    return kKinds;
}

FaissIndexHeader parse_faiss_binary_header(FaissParse& parse, uint32_t letters) {
    FaissReader& in = parse.in;
    FaissIndexHeader header;
    header.letters = letters;
    header.dimension = in.i32("its dimension");
    const int32_t code_bytes = in.i32("the size of its codes");
    in.check(header.dimension >= 0 && header.dimension % 8 == 0 && code_bytes == header.dimension / 8,
             "codes that are not an eighth of its bits");
    header.code_bytes = static_cast<uint64_t>(code_bytes);
    header.ntotal = in.i64("its ntotal");
    in.check(header.ntotal >= 0, "a negative ntotal");
    header.trained = in.flag("its is_trained");
    in.skip(4, "its metric");  // not used; written as L2
    if (!parse.facts) parse.facts = FaissFacts{"", header.ntotal, header.dimension, "hamming"};
    return header;
}

std::optional<FaissIndexHeader> parse_faiss_binary_index(FaissParse& parse) {
    FaissReader& in = parse.in;
    const uint32_t letters = in.u32("an index's letters");
    const auto kinds = faiss_binary_kinds();
    const auto kind = std::find_if(kinds.begin(), kinds.end(), [&](const FaissKind& k) { return k.letters == letters; });
    if (kind == kinds.end()) {
        parse.stop(letters);
        return std::nullopt;
    }
    in.check(++parse.depth <= kFaissDepth, "indexes nested too deeply");
    parse.name(kind->name);
    FaissIndexHeader header = parse_faiss_binary_header(parse, letters);
    const bool known = kind->parse(parse, header);
    --parse.depth;
    if (!known) return std::nullopt;
    return header;
}

std::optional<FaissIndexHeader> parse_faiss_binary_part(FaissParse& parse) {
    ++parse.muted;
    const auto header = parse_faiss_binary_index(parse);
    --parse.muted;
    return header;
}

}  // namespace ingot
