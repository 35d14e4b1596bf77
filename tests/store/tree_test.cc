#include "store/tree.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

#include "store/hash.h"
#include "tests/store/code_of.h"
#include "tests/support/memory_feed.h"

namespace ingot {
namespace {

using Nodes = std::map<Digest, Bytes>;

std::vector<TreeEntry> random_entries(size_t count, uint64_t seed) {
    std::mt19937_64 random(seed);
    std::vector<TreeEntry> entries(count);
    for (TreeEntry& entry : entries) {
        for (uint8_t& byte : entry.digest.bytes) byte = static_cast<uint8_t>(random());
        entry.length = 1 + random() % 65'536;
    }
    return entries;
}

StreamRoot build(const std::vector<TreeEntry>& entries, Nodes& nodes) {
    TreeBuilder tree;
    const auto emit = [&](const Digest& digest, Bytes node) {
        EXPECT_EQ(digest, sha256(node));
        EXPECT_LE(node.size(), kMaxNodeBytes);
        nodes.emplace(digest, std::move(node));
    };
    for (const TreeEntry& entry : entries) tree.add(entry.digest, entry.length, emit);
    return tree.finish(emit);
}

void leaves(const Nodes& nodes, uint8_t height, const Digest& digest, uint64_t length, std::vector<TreeEntry>& out) {
    if (height == 0) {
        out.push_back({digest, length});
        return;
    }
    uint64_t sum = 0;
    for (const TreeEntry& entry : decode_node(nodes.at(digest), height)) {
        leaves(nodes, static_cast<uint8_t>(height - 1), entry.digest, entry.length, out);
        sum += entry.length;
    }
    EXPECT_EQ(sum, length);
}

TEST(Tree, HoldsItsChunksInOrder) {
    for (const size_t count : {2, 7, 8, 9, 127, 128, 129, 1000, 5000, 40'000}) {
        const auto entries = random_entries(count, count);
        Nodes nodes;
        const StreamRoot root = build(entries, nodes);
        std::vector<TreeEntry> read;
        leaves(nodes, root.height, root.digest, root.size, read);
        ASSERT_EQ(read.size(), entries.size());
        uint64_t size = 0;
        for (size_t i = 0; i < count; ++i) {
            EXPECT_EQ(read[i].digest, entries[i].digest);
            EXPECT_EQ(read[i].length, entries[i].length);
            size += entries[i].length;
        }
        EXPECT_EQ(root.size, size);
        EXPECT_GT(root.height, 0);
        EXPECT_LE(root.height, 6);
    }
}

TEST(Tree, OfOneChunkIsThatChunkAndOfNoneIsNothing) {
    Nodes nodes;
    const auto entries = random_entries(1, 3);
    EXPECT_EQ(build(entries, nodes), (StreamRoot{0, entries[0].digest, entries[0].length}));
    EXPECT_EQ(build({}, nodes), (StreamRoot{0, sha256({}), 0}));
    EXPECT_TRUE(nodes.empty());
}

TEST(Tree, RootDependsOnTheChunksAloneAndTheBuilderCanBeUsedAgain) {
    const auto entries = random_entries(3000, 5);
    TreeBuilder tree;
    const auto ignore = [](const Digest&, Bytes) {};
    StreamRoot first;
    for (int round = 0; round < 2; ++round) {
        for (const TreeEntry& entry : entries) tree.add(entry.digest, entry.length, ignore);
        const StreamRoot root = tree.finish(ignore);
        if (round == 1) {
            EXPECT_EQ(root, first);
        }
        first = root;
    }
}

TEST(Tree, SharesAllNodesButThePathOfAChange) {
    const auto entries = random_entries(50'000, 7);
    Nodes before;
    const StreamRoot root = build(entries, before);
    for (const size_t changed : {0, 1, 25'000, 49'999}) {
        auto other = entries;
        other[changed].digest.bytes[20] ^= 1;
        Nodes after;
        EXPECT_NE(build(other, after), root);
        size_t fresh = 0;
        for (const auto& [digest, node] : after) fresh += before.contains(digest) ? 0U : 1U;
        EXPECT_GE(fresh, root.height);
        EXPECT_LE(fresh, 3U * root.height) << "a new digest may end a node that was not ended before, or the reverse";
    }
}

TEST(Tree, SharesAllNodesButAFewAfterAnInsertion) {
    const auto entries = random_entries(50'000, 7);
    Nodes before;
    build(entries, before);
    auto other = entries;
    const auto more = random_entries(3, 99);
    other.insert(other.begin() + 20'000, more.begin(), more.end());
    Nodes after;
    const StreamRoot root = build(other, after);
    size_t fresh = 0;
    for (const auto& [digest, node] : after) fresh += before.contains(digest) ? 0U : 1U;
    EXPECT_LE(fresh, 8U * root.height);
}

// A run of equal chunks has equal digests: only the limit of 128 ends such nodes, or each eighth entry does.
TEST(Tree, OfEqualChunksStaysWithinItsLimits) {
    for (const uint8_t first : {uint8_t{0}, uint8_t{1}}) {
        std::vector<TreeEntry> entries(100'000);
        for (TreeEntry& entry : entries) {
            entry.digest.bytes[0] = first;
            entry.length = 4096;
        }
        Nodes nodes;
        const StreamRoot root = build(entries, nodes);
        EXPECT_LE(root.height, 7);
        EXPECT_EQ(root.size, 100'000U * 4096);
        std::vector<TreeEntry> read;
        leaves(nodes, root.height, root.digest, root.size, read);
        EXPECT_EQ(read.size(), entries.size());
    }
}

Bytes node_of(uint8_t magic, uint8_t height, uint16_t count, size_t entries, uint64_t length = 1) {
    Encoder out;
    out.u8(magic).u8(height).u16(count);
    for (size_t i = 0; i < entries; ++i) out.raw(Digest().view()).u64(length);
    return out.take();
}

TEST(Node, IsRefusedWhereAnyFieldIsImpossible) {
    const auto code = [](const Bytes& node, uint8_t height = 1) { return code_of([&] { decode_node(node, height); }); };
    EXPECT_EQ(code(node_of(0x4e, 1, 3, 3)), std::nullopt);
    EXPECT_EQ(code(node_of(0x4e, 1, 128, 128)), std::nullopt);
    EXPECT_EQ(code(node_of(0x4f, 1, 3, 3)), Code::damaged);
    EXPECT_EQ(code(node_of(0x4e, 2, 3, 3)), Code::damaged);
    EXPECT_EQ(code(node_of(0x4e, 1, 3, 3), 2), Code::damaged);
    EXPECT_EQ(code(node_of(0x4e, 1, 0, 0)), Code::damaged);
    EXPECT_EQ(code(node_of(0x4e, 1, 129, 129)), Code::damaged);
    EXPECT_EQ(code(node_of(0x4e, 1, 65'535, 3)), Code::damaged);
    EXPECT_EQ(code(node_of(0x4e, 1, 3, 4)), Code::damaged);
    EXPECT_EQ(code(node_of(0x4e, 1, 3, 2)), Code::damaged);
    EXPECT_EQ(code(node_of(0x4e, 1, 3, 3, 0)), Code::damaged);
    const Bytes good = node_of(0x4e, 1, 3, 3);
    for (size_t length = 0; length < good.size(); ++length)
        EXPECT_EQ(code(Bytes(good.begin(), good.begin() + static_cast<ptrdiff_t>(length))), Code::damaged);
    for (uint64_t seed = 0; seed < 200; ++seed) EXPECT_EQ(code(test::noise(500, seed)), Code::damaged);
}

}  // namespace
}  // namespace ingot
