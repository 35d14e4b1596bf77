// Indexes of inverted lists: a quantizer that picks lists, and codes and ids in each.
#include <fmt/format.h>

#include "drivers/faiss_kinds.h"
#include "drivers/faiss_lists.h"
#include "drivers/faiss_parse.h"
#include "drivers/faiss_quantizers.h"

namespace ingot {
namespace {

// nlist, nprobe, quantizer, [the ids of files before 1.4,] direct map.
std::optional<FaissListsOf> ivf(FaissParse& parse, const FaissIndexHeader& header, bool old = false) {
    FaissReader& in = parse.in;
    FaissListsOf of;
    of.nlist = in.u64("an IVF's nlist");
    of.ntotal = header.count();
    in.skip(8, "an IVF's nprobe");
    const auto quantizer = parse_faiss_part(parse);
    if (!quantizer) return std::nullopt;
    in.check(quantizer->letters == fourcc("null") || quantizer->dimension == header.dimension,
             "an IVF's quantizer is of another dimension");
    if (old) {
        in.check(parse_faiss_old_lists(parse, of.nlist, 8, "the ids of a list") == of.ntotal,
                 "its lists hold not as many vectors as its header says");
    }
    const uint8_t kind = in.u8("the direct map's type");
    in.check(kind <= 2, "a direct map of no known type");
    const auto map = parse.table(8, "the direct map", faiss_cut::ids(0));
    in.check(kind != 1 || map.count == of.ntotal, "a direct map of another length than its index");
    if (kind == 2) parse.table(16, "the direct map", faiss_cut::ids(0, 16));
    return of;
}

bool lists(FaissParse& parse, std::optional<FaissListsOf> of, uint64_t code_bytes, Content content = Content::bytes) {
    of->code_bytes = code_bytes;
    of->content = content;
    return parse_faiss_lists(parse, *of);
}

bool ivf_flat(FaissParse& parse, FaissIndexHeader& header) {
    auto of = ivf(parse, header);
    if (!of) return false;
    if (header.letters == fourcc("IwFd")) {
        // Vectors that are equal are kept once; the others are pairs (the id kept, the id left out).
        const auto twins = parse.table(8, "the table of equal vectors", faiss_cut::ids(0, 16));
        parse.in.check(twins.count % 2 == 0 && twins.count / 2 <= of->ntotal, "more equal vectors than vectors");
        of->ntotal -= twins.count / 2;
    }
    return lists(parse, of, header.vector_bytes(), Content::f32);
}

// Before 1.4: ids of all lists, then codes of all lists, each behind its count; of floats in the first version, else of bytes.
bool ivf_flat_old(FaissParse& parse, FaissIndexHeader& header) {
    const auto of = ivf(parse, header, true);
    if (!of) return false;
    const uint64_t element_bytes = header.letters == fourcc("IvFl") ? 4 : 1;
    const uint64_t elements = parse_faiss_old_lists(parse, of->nlist, element_bytes, "the vectors of a list");
    parse.in.check(elements == saturating_product(of->ntotal, header.vector_bytes() / element_bytes),
                   "its lists hold not as many vectors as ids");
    return true;
}

bool ivf_scalar(FaissParse& parse, FaissIndexHeader& header) {
    const bool old = header.letters == fourcc("IvSQ");
    auto of = ivf(parse, header, old);
    if (!of) return false;
    const auto quantizer = parse_faiss_scalar_quantizer(parse);
    parse.name(quantizer.name);
    const uint64_t code_bytes = parse.in.u64("the size of its codes");
    if (old) {
        parse.in.check(
            parse_faiss_old_lists(parse, of->nlist, 1, "the codes of a list") == saturating_product(of->ntotal, code_bytes),
            "its lists hold not as many codes as ids");
        return true;
    }
    if (header.letters != fourcc("IwSQ")) parse.in.flag("by_residual");
    return lists(parse, of, code_bytes);
}

bool ivf_product(FaissParse& parse, FaissIndexHeader& header) {
    FaissReader& in = parse.in;
    const bool old = header.letters == fourcc("IvPQ") || header.letters == fourcc("IvQR");
    auto of = ivf(parse, header, old);
    if (!of) return false;
    in.flag("by_residual");
    const uint64_t code_bytes = in.u64("the size of its codes");
    parse_faiss_product_quantizer(parse);
    if (old) {
        in.check(parse_faiss_old_lists(parse, of->nlist, 1, "the codes of a list") == saturating_product(of->ntotal, code_bytes),
                 "its lists hold not as many codes as ids");
    } else if (!lists(parse, of, code_bytes)) {
        return false;
    }
    if (header.letters != fourcc("IwQR") && header.letters != fourcc("IvQR")) return true;
    const auto refining = parse_faiss_product_quantizer(parse);
    parse_faiss_codes(parse, header, refining.code_bytes);
    in.skip(4, "k_factor");
    return true;
}

bool ivf_product_fast_scan(FaissParse& parse, FaissIndexHeader& header) {
    auto of = ivf(parse, header);
    if (!of) return false;
    parse.in.flag("by_residual");
    parse.in.skip(8 + 4 + 8 + 4 + 8, "a FastScan's parameters");  // code_size, bbs, M2, implem, qbs2
    parse_faiss_product_quantizer(parse);
    return lists(parse, of, 0);
}

bool ivf_additive(FaissParse& parse, FaissIndexHeader& header) {
    auto of = ivf(parse, header);
    if (!of) return false;
    const uint64_t code_bytes = parse.in.u64("the size of its codes");
    parse_faiss_additive_quantizer(parse, faiss_additive_kind(header.letters));
    parse.in.flag("by_residual");
    parse.in.skip(4, "use_precomputed_table");
    return lists(parse, of, code_bytes);
}

bool ivf_additive_fast_scan(FaissParse& parse, FaissIndexHeader& header) {
    auto of = ivf(parse, header);
    if (!of) return false;
    parse_faiss_additive_quantizer(parse, faiss_additive_kind(header.letters));
    parse.in.flag("by_residual");
    // implem, bbs, qbs; M, nbits, ksub, code_size; qbs2; M2; rescale_norm, norm_scale, max_train_points
    parse.in.skip(3 * 4 + 4 * 8 + 8 + 8 + 1 + 4 + 8, "a FastScan's parameters");
    return lists(parse, of, 0);
}

bool ivf_spectral_hash(FaissParse& parse, FaissIndexHeader& header) {
    FaissReader& in = parse.in;
    auto of = ivf(parse, header);
    if (!of) return false;
    ++parse.muted;
    const bool known = parse_faiss_transform(parse);
    --parse.muted;
    if (!known) return false;
    const int32_t bits = in.i32("a spectral hash's bits");
    in.check(bits >= 0, "hashes of negative bits");
    in.skip(8, "a spectral hash's period and thresholds");
    parse.table(4, "a spectral hash's thresholds", faiss_cut::trained(0));
    return lists(parse, of, (static_cast<uint64_t>(bits) + 7) / 8);
}

bool ivf_independent(FaissParse& parse, FaissIndexHeader&) {
    if (!parse_faiss_part(parse)) return false;
    if (parse.in.flag("has_vt") && !parse_faiss_transform(parse)) return false;
    const auto inner = parse_faiss_index(parse);
    if (!inner) return false;
    const uint32_t letters = inner->letters;
    const bool product =
        letters == fourcc("IwPQ") || letters == fourcc("IwQR") || letters == fourcc("IvPQ") || letters == fourcc("IvQR");
    if (product) parse.in.skip(4, "use_precomputed_table");
    return true;
}

bool ivf_rabit(FaissParse& parse, FaissIndexHeader& header) {
    auto of = ivf(parse, header);
    if (!of) return false;
    parse_faiss_rabit_quantizer(parse, header, header.letters == fourcc("Iwrr"));
    const uint64_t code_bytes = parse.in.u64("the size of its codes");
    parse.in.flag("by_residual");
    parse.in.skip(1, "a RaBitQ's qb");
    return lists(parse, of, code_bytes);
}

}  // namespace

std::span<const FaissKind> faiss_ivf_kinds() {
    static constexpr FaissKind kKinds[] = {
        {fourcc("IwFl"), "IVFFlat", ivf_flat},
        {fourcc("IwFd"), "IVFFlatDedup", ivf_flat},
        {fourcc("IvFl"), "IVFFlat", ivf_flat_old},
        {fourcc("IvFL"), "IVFFlat", ivf_flat_old},
        {fourcc("IwSq"), "IVF", ivf_scalar},
        {fourcc("IwSQ"), "IVF", ivf_scalar},
        {fourcc("IvSQ"), "IVF", ivf_scalar},
        {fourcc("IwPQ"), "IVFPQ", ivf_product},
        {fourcc("IwQR"), "IVFPQR", ivf_product},
        {fourcc("IvPQ"), "IVFPQ", ivf_product},
        {fourcc("IvQR"), "IVFPQR", ivf_product},
        {fourcc("IwPf"), "IVFPQFastScan", ivf_product_fast_scan},
        {fourcc("IwLS"), "IVFLSQ", ivf_additive},
        {fourcc("IwRQ"), "IVFRQ", ivf_additive},
        {fourcc("IwPL"), "IVFPLSQ", ivf_additive},
        {fourcc("IwPR"), "IVFPRQ", ivf_additive},
        {fourcc("IVLf"), "IVFLSQFastScan", ivf_additive_fast_scan},
        {fourcc("IVRf"), "IVFRQFastScan", ivf_additive_fast_scan},
        {fourcc("NPLf"), "IVFPLSQFastScan", ivf_additive_fast_scan},
        {fourcc("NPRf"), "IVFPRQFastScan", ivf_additive_fast_scan},
        {fourcc("IwSh"), "IVFSpectralHash", ivf_spectral_hash},
        {fourcc("IwIQ"), "IndependentQuantizer,", ivf_independent},
        {fourcc("Iwrq"), "IVFRaBitQ", ivf_rabit},
        {fourcc("Iwrr"), "IVFRaBitQ", ivf_rabit},
    };
    return kKinds;
}

}  // namespace ingot
