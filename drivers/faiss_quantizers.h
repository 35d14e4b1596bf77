// Quantizers and vector transforms of a FAISS file: what training left, rewritten by the next training only.
#pragma once

#include <cstdint>
#include <string>

#include "drivers/faiss_parse.h"

namespace ingot {

struct FaissProductQuantizer {
    uint64_t dimension = 0;
    uint64_t code_bytes = 0;
};
FaissProductQuantizer parse_faiss_product_quantizer(FaissParse& parse);

struct FaissScalarQuantizer {
    std::string name;  // "SQ8", "SQfp16"
    uint64_t dimension = 0;
    uint64_t code_bytes = 0;
};
FaissScalarQuantizer parse_faiss_scalar_quantizer(FaissParse& parse);

// Additive quantizers: residual, local search, and the products of either.
enum class FaissAdditive : uint8_t { residual, residual_old, local_search, product_residual, product_local_search };
// Which one the index of these letters has.
FaissAdditive faiss_additive_kind(uint32_t letters);
void parse_faiss_additive_quantizer(FaissParse& parse, FaissAdditive kind);

// RaBitQ; `bits_follow`: the newer layout, which says how many bits a dimension has.
void parse_faiss_rabit_quantizer(FaissParse& parse, const FaissIndexHeader& header, bool bits_follow);

// Reads a transform, letters first, and names it ("PCA,"). False: unknown letters.
bool parse_faiss_transform(FaissParse& parse);

}  // namespace ingot
