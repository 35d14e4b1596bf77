#include "drivers/faiss_graph.h"

#include <fmt/format.h>

#include <numeric>
#include <vector>

namespace ingot {
namespace {

// Levels of a HNSW graph: M = 2 and 2^31 nodes would give 31.
constexpr uint64_t kMostLevels = 1024;

// -1: an empty slot.
bool is_link(int64_t id, uint64_t nodes) { return id == -1 || (id >= 0 && static_cast<uint64_t>(id) < nodes); }

void check_link(const FaissReader& in, int64_t id, uint64_t nodes) {
    if (!is_link(id, nodes)) in.fail(fmt::format("a link to node {} of {}", id, nodes));
}

// How many links the nodes up to a level have, from level 0 on.
std::vector<uint64_t> links_per_level(FaissReader& in) {
    const auto table = in.table(4, "the numbers of links of each level");
    in.check(table.count >= 1 && table.count <= kMostLevels, "a HNSW graph without levels, or of more than a thousand");
    std::vector<uint64_t> sums;
    in.for_each<int32_t>(table, [&](uint64_t, int32_t sum) {
        in.check(sum >= 0 && (sums.empty() ? sum == 0 : static_cast<uint64_t>(sum) >= sums.back()),
                 "numbers of links that do not grow with the level");
        sums.push_back(static_cast<uint64_t>(sum));
    });
    return sums;
}

// The levels say where each node's links begin, and the offsets repeat it: node i has sums[levels[i]] slots from offsets[i] on.
uint64_t check_offsets(FaissReader& in, const FaissReader::Table& levels, const FaissReader::Table& offsets,
                       const std::vector<uint64_t>& sums) {
    in.check(offsets.count == levels.count + 1, "a HNSW graph has not one offset more than nodes");
    uint64_t expected = 0;
    constexpr uint64_t kNodes = FaissReader::kPieceBytes / sizeof(uint64_t);
    for (uint64_t done = 0; done < levels.count; done += kNodes) {
        const uint64_t count = std::min(kNodes, levels.count - done);
        std::vector<uint64_t> begins;
        in.for_each<uint64_t>({offsets.offset + done * 8, count, count * 8},
                              [&](uint64_t, uint64_t at) { begins.push_back(at); });
        in.for_each<int32_t>({levels.offset + done * 4, count, count * 4}, [&](uint64_t i, int32_t level) {
            in.check(level >= 1 && static_cast<uint64_t>(level) < sums.size(), "a node on a level that the graph does not have");
            in.check(begins[i] == expected, "a node's links do not begin where those of the node before end");
            expected += sums[static_cast<size_t>(level)];
        });
    }
    in.check(in.value<uint64_t>(offsets, levels.count) == expected, "the last node's links do not end where its level says");
    return expected;
}

}  // namespace

void parse_faiss_hnsw(FaissParse& parse, uint64_t nodes) {
    FaissReader& in = parse.in;
    in.table(8, "the probabilities of levels");
    const std::vector<uint64_t> sums = links_per_level(in);
    const auto levels = parse.table(4, "the levels", faiss_cut::table(0));
    if (levels.count != nodes) in.fail(fmt::format("a graph of {} nodes for {} vectors", levels.count, nodes));
    const auto offsets = parse.table(8, "the offsets", faiss_cut::table(0));
    const uint64_t slots = check_offsets(in, levels, offsets, sums);
    // A node's links are whole runs of the steps between levels: a cut at multiples of what divides them all hits no run's middle
    // more often than a node is larger than a group.
    const uint64_t run =
        std::accumulate(sums.begin(), sums.end(), uint64_t{0}, [](uint64_t a, uint64_t b) { return std::gcd(a, b); });
    const auto links = parse.table(4, "the links", faiss_cut::links(0, run * 4));
    if (links.count != slots) in.fail(fmt::format("{} slots for links, and its nodes have {}", links.count, slots));
    if (parse.links == FaissLinks::checked) {
        in.for_each<int32_t>(links, [&](uint64_t, int32_t id) { check_link(in, id, nodes); });
    }
    const int32_t entry = in.i32("the entry point");
    const int32_t top = in.i32("the highest level");
    in.check(is_link(entry, nodes) && (entry >= 0 || nodes == 0), "an entry point that is no node");
    in.check(top >= -1 && (top < 0 ? nodes == 0 : static_cast<uint64_t>(top) + 1 < sums.size()),
             "a highest level that the graph does not have");
    in.skip(12, "the search parameters");  // efConstruction, efSearch, upper_beam
}

void parse_faiss_nsg(FaissParse& parse, uint64_t nodes) {
    FaissReader& in = parse.in;
    const int32_t count = in.i32("the NSG's ntotal");
    const int32_t degree = in.i32("the NSG's R");
    in.skip(12, "the NSG's parameters");  // L, C, search_L
    const int32_t entry = in.i32("the NSG's enterpoint");
    if (!in.flag("the NSG's is_built")) return;
    in.check(count >= 0 && static_cast<uint64_t>(count) == nodes, "an NSG graph of another number of nodes than vectors");
    in.check(degree > 0 && entry >= 0 && static_cast<uint64_t>(entry) < nodes,
             "an NSG graph without links, or entered at no node");
    // Each node: at most R links, then -1. Only reading all of it tells where it ends, checked or trusted.
    FaissReader::Table links{in.offset(), 0, 0};
    for (uint64_t node = 0; node < nodes; ++node) {
        for (int32_t i = 0;; ++i) {
            const int32_t id = in.i32("the links of a node");
            if (id == -1) break;
            in.check(i < degree, "a node with more links than the graph allows");
            check_link(in, id, nodes);
        }
    }
    links.bytes = in.offset() - links.offset;
    parse.out.add(links, faiss_cut::codes(0, 4));
}

void parse_faiss_nn_descent(FaissParse& parse, uint64_t nodes) {
    FaissReader& in = parse.in;
    const int32_t count = in.i32("the NNDescent's ntotal");
    in.skip(4, "the NNDescent's dimension");
    const int32_t degree = in.i32("the NNDescent's K");
    in.skip(6 * 4, "the NNDescent's parameters");  // S, R, L, iter, search_L, random_seed
    const bool built = in.flag("the NNDescent's has_built");
    const auto links = parse.table(4, "the links", faiss_cut::codes(0, degree > 0 ? static_cast<uint64_t>(degree) * 4 : 4));
    if (!built) return;
    in.check(count >= 0 && static_cast<uint64_t>(count) == nodes, "an NNDescent graph of another number of nodes than vectors");
    in.check(degree >= 0 && links.count == saturating_product(nodes, static_cast<uint64_t>(degree)),
             "an NNDescent graph without K links for each node");
    if (parse.links == FaissLinks::checked) {
        in.for_each<int32_t>(links, [&](uint64_t, int32_t id) { check_link(in, id, nodes); });
    }
}

}  // namespace ingot
