#include "drivers/faiss_graph.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "tests/drivers/faiss_bytes.h"

namespace ingot {
namespace {

using test::FaissBytes;

Code code_of(const Bytes& file) {
    try {
        parse_faiss(test::reader_of(file), file.size());
        return Code::interrupted;
    } catch (const Error& error) {
        return error.code();
    }
}

struct Graph {
    std::vector<int32_t> sums{0, 4, 6};
    std::vector<int32_t> levels{1, 2, 1};
    std::vector<uint64_t> offsets{0, 4, 10, 14};
    std::vector<int32_t> links = std::vector<int32_t>(14, -1);
    int32_t entry = 1, top = 1;
    int64_t vectors = 3;

    Code code() const {
        FaissBytes bytes;
        bytes.letters("IHNf").header(4, vectors).table(2, 8).table(sums).table(levels).table(offsets).table(links);
        return code_of(bytes.i32(entry).i32(top).i32(40).i32(16).i32(1).flat(4, vectors).out);
    }
};

TEST(FaissGraph, EachTableOfAHnswGraphMustAgreeWithTheOthers) {
    EXPECT_EQ(Graph{}.code(), Code::interrupted);
    const auto broken = [](auto change) {
        Graph graph;
        change(graph);
        return graph.code();
    };
    EXPECT_EQ(broken([](Graph& g) { g.sums = {0, 6, 4}; }), Code::source);
    EXPECT_EQ(broken([](Graph& g) { g.sums = {1, 4, 6}; }), Code::source);
    EXPECT_EQ(broken([](Graph& g) { g.sums.clear(); }), Code::source);
    EXPECT_EQ(broken([](Graph& g) { g.levels[0] = 3; }), Code::source);
    EXPECT_EQ(broken([](Graph& g) { g.levels[0] = 0; }), Code::source);
    EXPECT_EQ(broken([](Graph& g) { g.levels[0] = -1; }), Code::source);
    EXPECT_EQ(broken([](Graph& g) { g.levels.pop_back(); }), Code::source);
    EXPECT_EQ(broken([](Graph& g) { g.offsets[1] = 5; }), Code::source);
    EXPECT_EQ(broken([](Graph& g) { g.offsets[3] = 15; }), Code::source);
    EXPECT_EQ(broken([](Graph& g) { g.offsets.pop_back(); }), Code::source);
    EXPECT_EQ(broken([](Graph& g) { g.links.pop_back(); }), Code::source);
    EXPECT_EQ(broken([](Graph& g) { g.links[7] = 3; }), Code::source);
    EXPECT_EQ(broken([](Graph& g) { g.entry = 3; }), Code::source);
    EXPECT_EQ(broken([](Graph& g) { g.entry = -1; }), Code::source);
    EXPECT_EQ(broken([](Graph& g) { g.top = 2; }), Code::source);
    EXPECT_EQ(broken([](Graph& g) { g.top = -1; }), Code::source);
    EXPECT_EQ(broken([](Graph& g) { g.vectors = 2; }), Code::source);
}

TEST(FaissGraph, AnEmptyHnswGraphHasNoEntry) {
    Graph graph;
    graph.levels.clear();
    graph.offsets = {0};
    graph.links.clear();
    graph.entry = graph.top = -1;
    graph.vectors = 0;
    EXPECT_EQ(graph.code(), Code::interrupted);
}

TEST(FaissGraph, OffsetsAreCheckedAcrossPieces) {
    Graph graph;
    const size_t nodes = 20'000;  // more than one piece of offsets
    graph.levels.assign(nodes, 1);
    graph.offsets.resize(nodes + 1);
    for (size_t i = 0; i <= nodes; ++i) graph.offsets[i] = i * 4;
    graph.links.assign(nodes * 4, -1);
    graph.vectors = static_cast<int64_t>(nodes);
    EXPECT_EQ(graph.code(), Code::interrupted);
    graph.offsets[15'000] += 4;
    EXPECT_EQ(graph.code(), Code::source);
}

Bytes nsg(const std::vector<int32_t>& links, int32_t degree = 2, int32_t entry = 0) {
    FaissBytes bytes;
    bytes.letters("INSf").header(4, 3).i32(0).u8(0).i32(0).i32(0).i32(0).i32(0);
    bytes.i32(3).i32(degree).i32(0).i32(0).i32(0).i32(entry).u8(1).raw(links.data(), links.size() * 4);
    return bytes.flat(4, 3).out;
}

TEST(FaissGraph, NsgNodesEndTheirLinksAndStayInTheGraph) {
    EXPECT_EQ(code_of(nsg({1, 2, -1, -1, 0, -1})), Code::interrupted);
    EXPECT_EQ(code_of(nsg({1, 3, -1, -1, 0, -1})), Code::source);
    EXPECT_EQ(code_of(nsg({1, 2, 0, -1, -1, 0, -1})), Code::source);
    EXPECT_EQ(code_of(nsg({1, 2, -1, -1, 0, -1}, 2, 3)), Code::source);
}

TEST(FaissGraph, NnDescentHasKLinksForEachNode) {
    const auto file = [](const std::vector<int32_t>& links) {
        FaissBytes bytes;
        bytes.letters("INNf").header(4, 3).i32(3).i32(4).i32(2).zeros(24).u8(1).table(links);
        return bytes.flat(4, 3).out;
    };
    EXPECT_EQ(code_of(file({1, 2, 0, 2, 0, -1})), Code::interrupted);
    EXPECT_EQ(code_of(file({1, 2, 0, 2, 0})), Code::source);
    EXPECT_EQ(code_of(file({1, 2, 0, 2, 0, 3})), Code::source);
}

}  // namespace
}  // namespace ingot
