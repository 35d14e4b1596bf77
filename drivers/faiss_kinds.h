// The kinds of FAISS indexes: four letters, a name, and what follows the header.
//
// A kind is added as one row of the table of its family, with a function that reads its fields in the order in which
// impl/index_write.cpp writes them.
#pragma once

#include <cstdint>
#include <span>

#include "drivers/faiss_parse.h"

namespace ingot {

struct FaissKind {
    uint32_t letters;
    const char* name;  // as far as the letters tell
    // False: unknown letters inside (FaissParse::unknown). Throws Error{source}.
    bool (*parse)(FaissParse&, FaissIndexHeader&);
};

std::span<const FaissKind> faiss_code_kinds();     // an array of vectors or codes
std::span<const FaissKind> faiss_ivf_kinds();      // inverted lists
std::span<const FaissKind> faiss_graph_kinds();    // a graph over a storage index
std::span<const FaissKind> faiss_wrapper_kinds();  // around other indexes
std::span<const FaissKind> faiss_binary_kinds();   // of bits; they are read by their own function

// An array of one code for each vector.
bool parse_faiss_codes(FaissParse& parse, const FaissIndexHeader& header, uint64_t code_bytes);

// Throws Error{source} unless what an index says of its vectors is what the index around it says.
bool check_faiss_same(FaissParse& parse, const FaissIndexHeader& outer, const FaissIndexHeader& inner);

}  // namespace ingot
