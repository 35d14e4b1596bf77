// Indexes that are one array of vectors or codes: flat ones, quantizers, LSH.
#include <fmt/format.h>

#include <algorithm>

#include "drivers/faiss_kinds.h"
#include "drivers/faiss_parse.h"
#include "drivers/faiss_quantizers.h"

namespace ingot {
namespace {

bool flat(FaissParse& parse, FaissIndexHeader& header) {
    const auto table = parse.table(4, "the vectors", faiss_cut::vectors(0, static_cast<uint64_t>(header.dimension)));
    if (table.bytes != saturating_product(header.count(), header.vector_bytes())) {
        parse.in.fail(fmt::format("{} floats for {} vectors of {} dimensions", table.count, header.ntotal, header.dimension));
    }
    return true;
}

bool product(FaissParse& parse, FaissIndexHeader& header) {
    const auto quantizer = parse_faiss_product_quantizer(parse);
    parse_faiss_codes(parse, header, quantizer.code_bytes);
    if (header.letters != fourcc("IxPQ")) parse.in.skip(9, "a PQ's search parameters");  // i32, u8, i32
    // Before IxPq, the metric was written wrong and is L2 whatever it says.
    if (header.letters != fourcc("IxPq") && parse.depth == 1) parse.facts->metric = "L2";
    return true;
}

bool scalar(FaissParse& parse, FaissIndexHeader& header) {
    const auto quantizer = parse_faiss_scalar_quantizer(parse);
    parse.name(quantizer.name);
    return parse_faiss_codes(parse, header, quantizer.code_bytes);
}

bool additive(FaissParse& parse, FaissIndexHeader& header) {
    parse_faiss_additive_quantizer(parse, faiss_additive_kind(header.letters));
    return parse_faiss_codes(parse, header, parse.in.u64("the size of its codes"));
}

bool coarse_residual(FaissParse& parse, FaissIndexHeader&) {
    parse_faiss_additive_quantizer(parse, FaissAdditive::residual);
    parse.in.skip(4, "a beam factor");
    return true;
}

bool coarse_multi(FaissParse& parse, FaissIndexHeader&) {
    parse_faiss_product_quantizer(parse);
    return true;
}

// Codes of FastScan are interleaved in blocks of vectors, the last one padded.
bool fast_scan_codes(FaissParse& parse, const FaissIndexHeader& header, int32_t per_block, uint64_t padded, uint64_t columns) {
    parse.in.check(padded >= header.count(), "codes for fewer vectors than there are");
    const uint64_t block = saturating_product(static_cast<uint64_t>(std::max(per_block, 0)), columns / 2);
    const auto table = parse.table(1, "the codes", faiss_cut::codes(0, block));
    parse.in.check(table.bytes >= saturating_product(header.count(), columns / 2), "fewer codes than vectors");
    return true;
}

bool product_fast_scan(FaissParse& parse, FaissIndexHeader& header) {
    FaissReader& in = parse.in;
    parse_faiss_product_quantizer(parse);
    in.skip(4, "a FastScan's implem");
    const int32_t per_block = in.i32("a FastScan's bbs");
    in.skip(4, "a FastScan's qbs");
    const uint64_t padded = in.u64("a FastScan's ntotal2");
    return fast_scan_codes(parse, header, per_block, padded, in.u64("a FastScan's M2"));
}

bool additive_fast_scan(FaissParse& parse, FaissIndexHeader& header) {
    FaissReader& in = parse.in;
    parse_faiss_additive_quantizer(parse, faiss_additive_kind(header.letters));
    in.skip(4, "a FastScan's implem");
    const int32_t per_block = in.i32("a FastScan's bbs");
    in.skip(4 + 4 * 8, "a FastScan's quantizer");  // qbs; M, nbits, ksub, code_size
    const uint64_t padded = in.u64("a FastScan's ntotal2");
    const uint64_t columns = in.u64("a FastScan's M2");
    in.skip(1 + 4 + 8, "a FastScan's norms");  // rescale_norm, norm_scale, max_train_points
    return fast_scan_codes(parse, header, per_block, padded, columns);
}

bool lsh(FaissParse& parse, FaissIndexHeader& header) {
    FaissReader& in = parse.in;
    in.skip(4, "an LSH's bits");
    in.flag("an LSH's rotate_data");
    in.flag("an LSH's train_thresholds");
    parse.table(4, "an LSH's thresholds", faiss_cut::trained(0));
    const int32_t code_bytes = in.i32("an LSH's code size");
    in.check(code_bytes >= 0, "codes of a negative size");
    ++parse.muted;
    const bool known = parse_faiss_transform(parse);
    --parse.muted;
    return known &&
           parse_faiss_codes(parse, header, static_cast<uint64_t>(code_bytes) * (header.letters == fourcc("IxHE") ? 8 : 1));
}

bool two_layer(FaissParse& parse, FaissIndexHeader& header) {
    FaissReader& in = parse.in;
    if (!parse_faiss_part(parse)) return false;
    in.skip(8 + 1, "a first layer's nlist");  // nlist, quantizer_trains_alone
    parse_faiss_product_quantizer(parse);
    in.skip(16, "the sizes of two layers' codes");
    return parse_faiss_codes(parse, header, in.u64("the size of its codes"));
}

bool lattice(FaissParse& parse, FaissIndexHeader&) {
    parse.table(4, "a lattice's ranges", faiss_cut::trained(0));
    return true;
}

bool rabit(FaissParse& parse, FaissIndexHeader& header) {
    parse_faiss_rabit_quantizer(parse, header, header.letters == fourcc("Ixrr"));
    const auto table = parse.table(1, "the codes", faiss_cut::codes(0, 1));
    parse.in.check(header.ntotal == 0 ? table.bytes == 0 : table.bytes % header.count() == 0, "not one code for each vector");
    parse.table(4, "the centre", faiss_cut::trained(0));
    parse.in.skip(1, "a RaBitQ's qb");
    return true;
}

}  // namespace

// An array of one code for each vector.
bool parse_faiss_codes(FaissParse& parse, const FaissIndexHeader& header, uint64_t code_bytes) {
    const auto table = parse.table(1, "the codes", faiss_cut::codes(0, code_bytes));
    if (table.bytes != saturating_product(header.count(), code_bytes)) {
        parse.in.fail(fmt::format("{} bytes of codes for {} vectors of {} bytes", table.bytes, header.ntotal, code_bytes));
    }
    return true;
}

std::span<const FaissKind> faiss_code_kinds() {
    static constexpr FaissKind kKinds[] = {
        {fourcc("IxF2"), "Flat", flat},
        {fourcc("IxFI"), "Flat", flat},
        {fourcc("IxFl"), "Flat", flat},
        {fourcc("IxSQ"), "", scalar},
        {fourcc("IxPq"), "PQ", product},
        {fourcc("IxPQ"), "PQ", product},
        {fourcc("IxPo"), "PQ", product},
        {fourcc("IxRq"), "RQ", additive},
        {fourcc("IxRQ"), "RQ", additive},
        {fourcc("IxLS"), "LSQ", additive},
        {fourcc("IxPR"), "PRQ", additive},
        {fourcc("IxPL"), "PLSQ", additive},
        {fourcc("ImRQ"), "ResidualCoarse", coarse_residual},
        {fourcc("Imiq"), "IMI", coarse_multi},
        {fourcc("IPfs"), "PQFastScan", product_fast_scan},
        {fourcc("ILfs"), "LSQFastScan", additive_fast_scan},
        {fourcc("IRfs"), "RQFastScan", additive_fast_scan},
        {fourcc("IPRf"), "PRQFastScan", additive_fast_scan},
        {fourcc("IPLf"), "PLSQFastScan", additive_fast_scan},
        {fourcc("IxHe"), "LSH", lsh},
        {fourcc("IxHE"), "LSH", lsh},
        {fourcc("Ix2L"), "2Layer", two_layer},
        {fourcc("IxLa"), "Lattice", lattice},
        {fourcc("Ixrq"), "RaBitQ", rabit},
        {fourcc("Ixrr"), "RaBitQ", rabit},
    };
    return kKinds;
}

}  // namespace ingot
