#include "drivers/faiss_quantizers.h"

#include <fmt/format.h>

#include <array>

namespace ingot {
namespace {

// FAISS itself reads no more bits; 1 << nbits is what a table has.
constexpr uint64_t kMostBits = 24;

FaissReader::Table floats(FaissParse& parse, std::string_view what) { return parse.table(4, what, faiss_cut::trained(0)); }

void parse_additive_base(FaissParse& parse) {
    FaissReader& in = parse.in;
    in.u64("a quantizer's dimension");
    const uint64_t codebooks = in.u64("a quantizer's number of codebooks");
    const auto bits = in.table(8, "a quantizer's bits");
    in.check(bits.count == codebooks, "a quantizer has not as many bit counts as codebooks");
    in.flag("a quantizer's is_trained");
    floats(parse, "the codebooks");
    const int32_t search = in.i32("a quantizer's search type");
    in.skip(8, "a quantizer's norms");
    // ST_norm_cqint8, cqint4, lsq2x4, rq2x4 keep a table of norms; the last two keep tables for SIMD beside it.
    if (search >= 6 && search <= 9) in.elements(in.u64("a quantizer's norms"), 4, "a quantizer's norms");
    if (search == 8 || search == 9) floats(parse, "a quantizer's norm tables");
}

void parse_residual(FaissParse& parse) {
    parse_additive_base(parse);
    parse.in.skip(8, "a residual quantizer's training");  // train_type, max_beam_size
}

// K, train_iters, encode_ils_iters, train_ils_iters, icm_iters u64; p, lambd f32; chunk_size u64; random_seed i32; nperts u64;
// update_codebooks_with_double u8
void parse_local_search(FaissParse& parse) {
    parse_additive_base(parse);
    parse.in.skip(5 * 8 + 2 * 4 + 8 + 4 + 8, "a local search quantizer's training");
    parse.in.flag("update_codebooks_with_double");
}

void parse_product(FaissParse& parse, void (*part)(FaissParse&)) {
    parse_additive_base(parse);
    const uint64_t parts = parse.in.u64("a quantizer's number of parts");
    // Each part takes bytes, so that a lie ends at the end of the file.
    for (uint64_t i = 0; i < parts; ++i) part(parse);
}

void parse_residual_old(FaissParse& parse) {
    FaissReader& in = parse.in;
    in.skip(16, "a residual quantizer's dimension and codebooks");
    in.table(8, "a residual quantizer's bits");
    in.flag("a residual quantizer's is_trained");
    in.skip(8, "a residual quantizer's training");
    floats(parse, "the codebooks");
    in.skip(12, "a residual quantizer's norms");
}

bool parse_linear(FaissParse& parse) {
    FaissReader& in = parse.in;
    const bool biased = in.flag("a transform's have_bias");
    const auto matrix = floats(parse, "a transform's matrix");
    const auto bias = floats(parse, "a transform's bias");
    const int32_t from = in.i32("a transform's d_in");
    const int32_t to = in.i32("a transform's d_out");
    in.flag("a transform's is_trained");
    in.check(from >= 0 && to >= 0, "a transform of negative dimensions");
    // Nothing at all: not trained yet, or the rotation of an LSH that does not rotate.
    const uint64_t rows = static_cast<uint64_t>(to);
    in.check(matrix.count == 0 || matrix.count >= static_cast<uint64_t>(from) * rows, "a transform's matrix is too small");
    in.check(!biased || matrix.count == 0 || bias.count >= rows, "a transform's bias is too small");
    return true;
}

bool parse_other(FaissParse& parse) {
    FaissReader& in = parse.in;
    in.check(in.i32("a transform's d_in") >= 0 && in.i32("a transform's d_out") >= 0, "a transform of negative dimensions");
    in.flag("a transform's is_trained");
    return true;
}

bool parse_transform(FaissParse& parse, bool inside) {
    FaissReader& in = parse.in;
    const uint32_t letters = in.u32("a transform");
    switch (letters) {
        case fourcc("PCAm"):
        case fourcc("PcAm"):
        case fourcc("Pcam"):
            parse.name("PCA,");
            in.skip(letters == fourcc("Pcam") ? 8 : 4, "a PCA's eigen_power and epsilon");
            in.flag("a PCA's random_rotation");
            if (letters != fourcc("PCAm")) in.skip(4, "a PCA's balanced_bins");
            floats(parse, "a PCA's mean");
            floats(parse, "a PCA's eigenvalues");
            floats(parse, "a PCA's matrix");
            return parse_linear(parse);
        case fourcc("Viqm"):
            parse.name("ITQMatrix,");
            in.skip(8, "an ITQ matrix's training");  // max_iter, seed
            return parse_linear(parse);
        case fourcc("rrot"):
            parse.name("RandomRotation,");
            return parse_linear(parse);
        case fourcc("LTra"):
            parse.name("Linear,");  // OPQ is written as this
            return parse_linear(parse);
        case fourcc("RmDT"):
            parse.name("RemapDimensions,");
            in.table(4, "a remapping of dimensions");
            return parse_other(parse);
        case fourcc("VNrm"):
            parse.name("Normalization,");
            in.skip(4, "a normalization's norm");
            return parse_other(parse);
        case fourcc("VCnt"):
            parse.name("Centering,");
            floats(parse, "a centering's mean");
            return parse_other(parse);
        case fourcc("HRot"):
            parse.name("HadamardRotation,");
            in.skip(4, "a rotation's seed");
            return parse_other(parse);
        case fourcc("Viqt"): {
            in.check(!inside, "an ITQ inside of an ITQ");  // which is a matrix and a linear transform
            parse.name("ITQ,");
            floats(parse, "an ITQ's mean");
            in.flag("an ITQ's do_pca");
            ++parse.muted;
            const bool known = parse_transform(parse, true) && parse_transform(parse, true);
            --parse.muted;
            return known && parse_other(parse);
        }
        default:
            return parse.stop(letters);
    }
}

}  // namespace

FaissProductQuantizer parse_faiss_product_quantizer(FaissParse& parse) {
    FaissReader& in = parse.in;
    FaissProductQuantizer quantizer;
    quantizer.dimension = in.u64("a product quantizer's dimension");
    const uint64_t parts = in.u64("a product quantizer's M");
    const uint64_t bits = in.u64("a product quantizer's nbits");
    in.check(parts > 0 && parts <= quantizer.dimension, "a product quantizer of no parts, or of more than it has dimensions");
    in.check(bits <= kMostBits, "a product quantizer of more than 24 bits");
    const auto centroids = floats(parse, "the centroids");
    // Untrained ones are written in full length, too.
    in.check(centroids.count == saturating_product(quantizer.dimension, uint64_t{1} << bits),
             "a product quantizer has not as many centroids as its bits say");
    quantizer.code_bytes = (parts * bits + 7) / 8;
    return quantizer;
}

FaissScalarQuantizer parse_faiss_scalar_quantizer(FaissParse& parse) {
    static constexpr std::array<const char*, 9> kNames = {"SQ8",        "SQ4", "SQ8_uniform", "SQ4_uniform",      "SQfp16",
                                                          "SQ8_direct", "SQ6", "SQbf16",      "SQ8_direct_signed"};
    FaissReader& in = parse.in;
    FaissScalarQuantizer quantizer;
    const int32_t kind = in.i32("a scalar quantizer's type");
    in.check(kind >= 0, "a scalar quantizer of a negative type");
    quantizer.name = static_cast<size_t>(kind) < kNames.size() ? kNames[static_cast<size_t>(kind)] : fmt::format("SQ?{}", kind);
    in.skip(8, "a scalar quantizer's range");
    quantizer.dimension = in.u64("a scalar quantizer's dimension");
    quantizer.code_bytes = in.u64("a scalar quantizer's code size");
    floats(parse, "a scalar quantizer's ranges");
    return quantizer;
}

FaissAdditive faiss_additive_kind(uint32_t letters) {
    switch (letters) {
        case fourcc("IxRQ"):
            return FaissAdditive::residual_old;
        case fourcc("IxLS"):
        case fourcc("ILfs"):
        case fourcc("IVLf"):
        case fourcc("IwLS"):
            return FaissAdditive::local_search;
        case fourcc("IxPR"):
        case fourcc("IPRf"):
        case fourcc("NPRf"):
        case fourcc("IwPR"):
            return FaissAdditive::product_residual;
        case fourcc("IxPL"):
        case fourcc("IPLf"):
        case fourcc("NPLf"):
        case fourcc("IwPL"):
            return FaissAdditive::product_local_search;
        default:
            return FaissAdditive::residual;
    }
}

void parse_faiss_additive_quantizer(FaissParse& parse, FaissAdditive kind) {
    switch (kind) {
        case FaissAdditive::residual:
            return parse_residual(parse);
        case FaissAdditive::residual_old:
            return parse_residual_old(parse);
        case FaissAdditive::local_search:
            return parse_local_search(parse);
        case FaissAdditive::product_residual:
            return parse_product(parse, parse_residual);
        case FaissAdditive::product_local_search:
            return parse_product(parse, parse_local_search);
    }
}

void parse_faiss_rabit_quantizer(FaissParse& parse, const FaissIndexHeader& header, bool bits_follow) {
    FaissReader& in = parse.in;
    in.check(in.u64("a RaBitQ's dimension") == static_cast<uint64_t>(header.dimension), "a RaBitQ of another dimension");
    in.skip(8 + 4, "a RaBitQ's code size and metric");
    if (bits_follow) in.skip(8, "a RaBitQ's bits");
}

bool parse_faiss_transform(FaissParse& parse) { return parse_transform(parse, false); }

}  // namespace ingot
