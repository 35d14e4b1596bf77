#include "drivers/tar_layout.h"

#include <gtest/gtest.h>

#include "tar_bytes.h"

namespace ingot {
namespace {

TarElements vectors(const std::string& path) {
    if (path.ends_with("/matrix.dat")) return {400, 4, Content::f32};
    if (path.ends_with("chunk_0.mmap")) return {400, 0, Content::f32};
    return {};
}

std::vector<Section> sections(const std::string& bytes) { return tar_sections(tar_bytes_of(bytes), bytes.size(), vectors); }

uint64_t length_of(const std::vector<Section>& all) {
    uint64_t out = 0;
    for (const Section& section : all) out += section.length_bytes;
    return out;
}

// The bytes of each section.
std::vector<std::string> pieces(const std::string& bytes) {
    std::vector<std::string> out;
    uint64_t at = 0;
    for (const Section& section : sections(bytes)) {
        out.push_back(bytes.substr(at, section.length_bytes));
        at += section.length_bytes;
    }
    EXPECT_EQ(at, bytes.size());
    return out;
}

TEST(TarLayout, HeadersAndDataAreSectionsOfTheirOwn) {
    const std::string bytes = tar_member("a.json", std::string(700, 'a'), 1) + tar_member(std::string(150, 'l'), "b") + tar_end();
    const std::vector<Section> all = sections(bytes);
    ASSERT_EQ(all.size(), 5U);
    EXPECT_EQ(all[0].length_bytes, 512U);
    EXPECT_EQ(all[1].length_bytes, 1024U) << "with what fills its last block";
    EXPECT_EQ(all[2].length_bytes, 1536U) << "a long name belongs to the header";
    EXPECT_EQ(all[3].length_bytes, 512U);
    EXPECT_EQ(all[4].length_bytes, 1024U);
    EXPECT_EQ(length_of(all), bytes.size());
}

TEST(TarLayout, VectorsAreCutBetweenElements) {
    const std::string matrix = "data" + std::string(400 * 1000, 'v');
    const std::string bytes = tar_member("segments/u/files/vector_storage/matrix.dat", matrix) + tar_end();
    const std::vector<Section> all = sections(bytes);
    ASSERT_EQ(all.size(), 5U);
    EXPECT_EQ(all[1].length_bytes, 4U);
    EXPECT_EQ(all[2].cut, Cut::elements);
    EXPECT_EQ(all[2].content, Content::f32);
    EXPECT_EQ(all[2].length_bytes, 400'000U);
    EXPECT_EQ(all[2].element_bytes, 400U);
    EXPECT_EQ(all[2].elements_per_block, 40U);
    EXPECT_EQ(length_of(all), bytes.size());
}

TEST(TarLayout, RunsOfASparseFileKeepTheElementsBorders) {
    // The second run begins 100 bytes into an element, and the first one ends in the middle of one.
    const std::string bytes =
        tar_sparse("vectors/chunk_0.mmap", 1'000'000, {{0, std::string(100'100, 'a')}, {200'100, std::string(100'000, 'b')}}) +
        tar_end();
    const std::vector<Section> all = sections(bytes);
    std::vector<uint64_t> lengths, offsets;
    uint64_t at = 0;
    for (const Section& section : all) {
        if (section.cut == Cut::elements) {
            lengths.push_back(section.length_bytes);
            offsets.push_back(at);
        }
        at += section.length_bytes;
    }
    EXPECT_EQ(lengths, (std::vector<uint64_t>{100'000, 99'600}));
    EXPECT_EQ(offsets, (std::vector<uint64_t>{512, 512 + 100'100 + 300}));
    EXPECT_EQ(at, bytes.size());
}

TEST(TarLayout, ATarInATarIsCutToo) {
    const std::string inner = tar_member("snapshot/files/vector_storage/matrix.dat", "data" + std::string(400 * 500, 'v')) +
                              tar_member("snapshot/files/segment.json", "{}") + tar_end();
    const std::string bytes = tar_member("0/segments/u.tar", inner) + tar_member("version.info", "1.11.0") + tar_end();
    const std::vector<Section> all = sections(bytes);
    size_t elements = 0;
    for (const Section& section : all) elements += section.cut == Cut::elements ? 1 : 0;
    EXPECT_EQ(elements, 1U);
    EXPECT_GE(all.size(), 8U);
    EXPECT_EQ(length_of(all), bytes.size());
}

TEST(TarLayout, MembersInAnotherOrderAndWithOtherTimesAreTheSamePieces) {
    std::vector<std::string> datas;
    for (int i = 0; i < 30; ++i) datas.push_back(std::string(1000 + static_cast<size_t>(i) * 317, static_cast<char>('a' + i)));
    std::string one, other;
    for (int i = 0; i < 30; ++i) {
        const auto n = static_cast<size_t>(i), back = static_cast<size_t>(29 - i);
        one += tar_member("file" + std::to_string(i), datas[n], 1);
        other += tar_member("file" + std::to_string(29 - i), datas[back], 2);
    }
    std::vector<std::string> known = pieces(one + tar_end());
    size_t fresh_bytes = 0, fresh = 0;
    for (const std::string& piece : pieces(other + tar_end())) {
        if (std::find(known.begin(), known.end(), piece) != known.end()) continue;
        fresh_bytes += piece.size();
        ++fresh;
    }
    EXPECT_EQ(fresh, 30U) << "the headers, which hold the time";
    EXPECT_EQ(fresh_bytes, 30 * kTarBlock);
}

TEST(TarLayout, WhatIsNoTarIsOneSection) {
    for (const std::string& bytes : {std::string(5000, 'x'), tar_member("a", "a").substr(0, 700), std::string("short")}) {
        EXPECT_EQ(length_of(sections(bytes)), bytes.size());
        EXPECT_LE(sections(bytes).size(), 2U);
    }
    EXPECT_TRUE(sections("").empty());
    const std::string nested = tar_member("x.tar", std::string(3000, 'y')) + tar_end();
    EXPECT_EQ(length_of(sections(nested)), nested.size());
}

}  // namespace
}  // namespace ingot
