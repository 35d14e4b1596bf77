#include "drivers/faiss_pieces.h"

#include <gtest/gtest.h>

namespace ingot {
namespace {

std::vector<Section> all(FaissSections sections) {
    std::vector<Section> found;
    while (const auto section = sections.next()) found.push_back(*section);
    return found;
}

TEST(FaissPieces, WhatNobodyClaimedIsHeader) {
    FaissPiecesBuilder out;
    out.add({100, 250, 1000}, faiss_cut::vectors(0, 1));
    out.add({1100, 10, 40}, faiss_cut::vectors(0, 1));  // too small for a section of its own
    out.finish(1200, true);
    const auto sections = all(FaissSections(out.take()));
    ASSERT_EQ(sections.size(), 3u);
    EXPECT_EQ(sections[0].cut, Cut::whole);
    EXPECT_EQ(sections[0].length_bytes, 100u);
    EXPECT_EQ(sections[1].cut, Cut::elements);
    EXPECT_EQ(sections[1].length_bytes, 1000u);
    EXPECT_EQ(sections[2].length_bytes, 100u);
}

TEST(FaissPieces, WhatWasNotUnderstoodIsCutByContent) {
    FaissPiecesBuilder out;
    out.finish(5000, false);
    const auto sections = all(FaissSections(out.take()));
    ASSERT_EQ(sections.size(), 1u);
    EXPECT_EQ(sections[0].cut, Cut::cdc);
    EXPECT_EQ(sections[0].length_bytes, 5000u);
}

TEST(FaissPieces, GroupsOfListsBecomeSectionsWhenAsked) {
    FaissPiecesBuilder out;
    FaissLists lists;
    lists.first = faiss_cut::vectors(0, 384);
    lists.second = faiss_cut::ids(0);
    lists.together = Content::f32;
    lists.groups = {{15360, 80}, {3000, FaissLists::kTogether}, {0, 64}, {30720, 160}};
    out.add(10, lists, 15440 + 3000 + 64 + 30880);
    out.finish(10 + 15440 + 3000 + 64 + 30880, true);
    const auto sections = all(FaissSections(out.take()));
    ASSERT_EQ(sections.size(), 7u);
    EXPECT_EQ(sections[1].element_bytes, 1536u);
    EXPECT_EQ(sections[1].length_bytes, 15360u);
    EXPECT_EQ(sections[2].element_bytes, 8u);
    EXPECT_EQ(sections[2].length_bytes, 80u);
    EXPECT_EQ(sections[3].cut, Cut::whole);
    EXPECT_EQ(sections[3].content, Content::f32);
    EXPECT_EQ(sections[4].length_bytes, 64u);
    EXPECT_EQ(sections[6].length_bytes, 160u);
}

TEST(FaissPieces, ElementsOfAnySizeMakeValidSections) {
    for (const uint64_t bytes : {uint64_t{0}, uint64_t{1}, uint64_t{7}, uint64_t{6144}, uint64_t{1} << 30, UINT64_MAX}) {
        for (const Section& section :
             {faiss_cut::codes(100, bytes), faiss_cut::vectors(100, bytes), faiss_cut::links(100, bytes)}) {
            EXPECT_GE(section.element_bytes, 1u);
            EXPECT_GE(section.elements_per_block, 1u);
            EXPECT_EQ(section.length_bytes, 100u);
        }
    }
}

}  // namespace
}  // namespace ingot
