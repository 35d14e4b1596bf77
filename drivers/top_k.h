// Known queries of a vector index, and their nearest neighbours: what a snapshot recorded, and what is asked of it again.
//
// A vector is as its engine stores one: floats of 32 bits, little-endian; of a binary index its bits, packed. An id is text: the
// number of a vector, or the UUID of a point.
//
// Thread safety: values.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"

namespace ingot {

struct Neighbour {
    std::string id;
    double score = 0;  // as the engine gives it: a distance or a similarity
    friend bool operator==(const Neighbour&, const Neighbour&) = default;
};

struct TopKQuery {
    Bytes vector;
    std::vector<Neighbour> neighbours;  // nearest first; fewer than k where there are no more
    friend bool operator==(const TopKQuery&, const TopKQuery&) = default;
};

struct TopKRequest {
    // Beyond these no probe says more, and a record of them is no small one.
    static constexpr uint32_t kMostNeighbours = 100, kMostQueries = 100;
    static constexpr uint64_t kMostVectorBytes = 1 << 20;  // of all queries

    std::string collection;      // where a source has several; empty: its only one
    std::string vector_name;     // where a point has several; empty: its only one
    uint32_t k = 10;             // neighbours of each query
    uint32_t spread = 5;         // without `queries`: so many stored vectors, evenly spread, the same ones of the same content
    std::vector<Bytes> queries;  // vectors
};

}  // namespace ingot
