// The graphs of a FAISS file: HNSW, NSG and NNDescent, whose nodes are the vectors of a storage index beside them.
//
// FAISS follows a link without looking: an id that is no node crashes it at the next search. Tables are checked while they are
// streamed; nothing of a node's size is kept.
#pragma once

#include <cstdint>

#include "drivers/faiss_parse.h"

namespace ingot {

// Each throws Error{source} where the graph is not one of `nodes` nodes.
void parse_faiss_hnsw(FaissParse& parse, uint64_t nodes);
void parse_faiss_nsg(FaissParse& parse, uint64_t nodes);
void parse_faiss_nn_descent(FaissParse& parse, uint64_t nodes);

}  // namespace ingot
