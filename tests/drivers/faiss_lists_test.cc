#include "drivers/faiss_lists.h"

#include <gtest/gtest.h>

#include <numeric>
#include <set>

#include "base/error.h"
#include "tests/drivers/faiss_bytes.h"

namespace ingot {
namespace {

using test::FaissBytes;

FaissLayout parse(const Bytes& file) { return parse_faiss(test::reader_of(file), file.size()); }

Code code_of(const Bytes& file) {
    try {
        parse(file);
        return Code::interrupted;
    } catch (const Error& error) {
        return error.code();
    }
}

// Where groups end, by their bytes.
std::set<uint64_t> ends_of(const std::vector<uint64_t>& sizes) {
    const uint64_t total = std::accumulate(sizes.begin(), sizes.end(), uint64_t{0});
    FaissListGroups groups(sizes.size(), total);
    for (size_t i = 0; i < sizes.size(); ++i) groups.add(i, sizes[i], 0);
    std::set<uint64_t> ends;
    uint64_t at = 0;
    for (const auto& group : groups.take()) {
        at += group.first_bytes + (group.second_bytes == FaissLists::kTogether ? 0 : group.second_bytes);
        ends.insert(at);
    }
    EXPECT_EQ(at, total);
    return ends;
}

TEST(FaissLists, SmallListsShareGroupsOfOneOrTwoKilobytes) {
    const auto ends = ends_of(std::vector<uint64_t>(100'000, 100));
    const double mean = 10'000'000.0 / static_cast<double>(ends.size());
    printf("100,000 lists of 100 bytes: %zu groups of %.0f bytes\n", ends.size(), mean);
    EXPECT_GT(mean, 1000);
    EXPECT_LT(mean, 2000);
}

TEST(FaissLists, AListThatGrowsMovesNoOtherGroup) {
    std::vector<uint64_t> sizes(10'000, 100);
    const auto before = ends_of(sizes);
    size_t kept_least = before.size();
    for (const size_t grown : {size_t{5000}, size_t{0}, size_t{9999}}) {
        auto after_sizes = sizes;
        after_sizes[grown] += 8;
        size_t kept = 0;
        for (const uint64_t end : ends_of(after_sizes)) kept += before.count(end > grown * 100 ? end - 8 : end);
        kept_least = std::min(kept_least, kept);
    }
    EXPECT_EQ(kept_least, before.size());
}

TEST(FaissLists, AListThatBecomesLargeLeavesItsGroupOnly) {
    std::vector<uint64_t> sizes(10'000, 100);
    const auto before = ends_of(sizes);
    sizes[5000] = 100'000;
    size_t kept = 0;
    for (const uint64_t end : ends_of(sizes)) kept += before.count(end > 500'000 ? end - 99'900 : end);
    EXPECT_GE(kept, before.size() - 1);
}

TEST(FaissLists, LargeListsHaveCodesAndIdsApart) {
    const Bytes file = FaissBytes().ivf_flat(64, {100, 200, 5}).out;
    auto sections = parse(file).sections();
    std::vector<uint64_t> lengths;
    while (const auto section = sections.next()) lengths.push_back(section->length_bytes);
    const std::vector<uint64_t> tail(lengths.end() - 5, lengths.end());
    EXPECT_EQ(tail, (std::vector<uint64_t>{25600, 800, 51200, 1600, 5 * 264}));
}

TEST(FaissLists, SparseSizesMustBeInOrderAndOfListsThatAreThere) {
    const auto file = [](const std::vector<uint64_t>& pairs) {
        FaissBytes bytes;
        bytes.letters("IwFl").header(4, 5).u64(100).u64(1).flat(4, 100).u8(0).table(0, 8);
        return bytes.letters("ilar").u64(100).u64(16).letters("sprs").table(pairs).zeros(5 * 24).out;
    };
    EXPECT_EQ(code_of(file({3, 2, 70, 3})), Code::interrupted);
    EXPECT_EQ(code_of(file({70, 3, 3, 2})), Code::source);
    EXPECT_EQ(code_of(file({3, 2, 100, 3})), Code::source);
    EXPECT_EQ(code_of(file({3, 2, 70, 4})), Code::source);
    EXPECT_EQ(code_of(file({3, 5, 70})), Code::source);
    EXPECT_EQ(code_of(file({3, UINT64_MAX, 70, 6})), Code::source);
}

TEST(FaissLists, BlockListsHaveTheirIdsBeforeTheirCodes) {
    FaissBytes bytes;
    bytes.letters("IwPf").header(8, 40).u64(2).u64(1).flat(8, 2).u8(0).table(0, 8);
    bytes.u8(1).u64(1).i32(32).u64(2).i32(0).u64(0).product_quantizer(8, 2, 4);
    const auto with_codes = [&](uint64_t codes) {
        FaissBytes file = bytes;
        file.letters("ilbl").u64(2).u64(UINT64_MAX).u64(32).u64(4096);
        return file.table(40, 8).table(codes, 1).table(0, 8).table(0, 1).out;
    };
    EXPECT_EQ(code_of(with_codes(8192)), Code::interrupted);
    EXPECT_EQ(code_of(with_codes(4096)), Code::source);  // 40 vectors take two blocks of 32
    auto sections = parse(with_codes(8192)).sections();
    std::vector<Section> found;
    while (const auto section = sections.next()) found.push_back(*section);
    const Section& codes = found[found.size() - 2];
    EXPECT_EQ(codes.length_bytes, 8192u);
    EXPECT_EQ(codes.element_bytes, 4096u);
}

struct OnDisk {
    uint64_t size, capacity, offset;
};

Bytes on_disk(const std::vector<OnDisk>& lists, uint64_t file_bytes, std::string_view name = "/data/lists") {
    FaissBytes bytes;
    int64_t n = 0;
    for (const OnDisk& list : lists) n += static_cast<int64_t>(list.size);
    bytes.letters("IwFl").header(4, n).u64(lists.size()).u64(1).flat(4, static_cast<int64_t>(lists.size())).u8(0).table(0, 8);
    bytes.letters("ilod").u64(lists.size()).u64(16).table(lists).table(1, 16);
    return bytes.u64(name.size()).raw(name.data(), name.size()).u64(file_bytes).out;
}

TEST(FaissLists, ListsOnDiskNameTheirFileAndItsLayout) {
    // Out of order, with free room before and between; a list with no room of its own.
    const Bytes file = on_disk({{300, 512, 20000}, {0, 0, UINT64_MAX}, {200, 256, 64}, {1, 1, 20000 + 512 * 24}}, 40000);
    const FaissLayout layout = parse(file);
    ASSERT_EQ(layout.lists_files().size(), 1u);
    const FaissListsFile& lists = layout.lists_files()[0];
    EXPECT_EQ(lists.name, "/data/lists");
    EXPECT_EQ(lists.size_bytes, 40000u);
    FaissSections sections = lists.sections;
    std::vector<uint64_t> lengths;
    while (const auto section = sections.next()) lengths.push_back(section->length_bytes);
    EXPECT_EQ(lengths, (std::vector<uint64_t>{64, 256 * 16, 256 * 8, 20000 - 64 - 256 * 24, 512 * 16, 512 * 8, 24,
                                              40000 - 20000 - 513 * 24}));
}

TEST(FaissLists, ListsOnDiskBeyondTheirFileOrEachOtherAreAnError) {
    EXPECT_EQ(code_of(on_disk({{3, 4, 0}, {3, 4, 96}}, 192)), Code::interrupted);
    EXPECT_EQ(code_of(on_disk({{3, 4, 0}, {3, 4, 95}}, 192)), Code::source);
    EXPECT_EQ(code_of(on_disk({{3, 4, 0}, {3, 4, 96}}, 191)), Code::source);
    EXPECT_EQ(code_of(on_disk({{5, 4, 0}}, 192)), Code::source);
    EXPECT_EQ(code_of(on_disk({{3, 4, 0}}, UINT64_MAX)), Code::source);
    EXPECT_EQ(code_of(on_disk({{3, uint64_t{1} << 62, 0}}, 192)), Code::source);
    EXPECT_EQ(code_of(on_disk({{3, 4, UINT64_MAX - 8}}, 192)), Code::source);
    EXPECT_EQ(code_of(on_disk({{3, 4, 0}}, 192, "")), Code::source);
    EXPECT_EQ(code_of(on_disk({{3, 4, 0}}, 192, std::string_view("a\0b", 3))), Code::source);
}

TEST(FaissLists, OldFilesHaveAllIdsBeforeAllCodes) {
    FaissBytes bytes;
    bytes.letters("IvFL").header(4, 5).u64(2).u64(1).flat(4, 2).table(2, 8).table(3, 8).u8(0).table(0, 8);
    EXPECT_EQ(code_of(FaissBytes(bytes).table(32, 1).table(48, 1).out), Code::interrupted);
    EXPECT_EQ(code_of(FaissBytes(bytes).table(32, 1).table(47, 1).out), Code::source);
}

TEST(FaissLists, ListsKeptElsewhereAreNotCounted) {
    const Bytes file = FaissBytes().ivf("IwFl", 4, {2, 3}).letters("il00").out;
    EXPECT_TRUE(parse(file).understood());
    EXPECT_EQ(parse(file).facts().ntotal, 5);
}

TEST(FaissLists, AMillionListsTakeLittleMemoryAndTime) {
    FaissBytes bytes;
    std::vector<uint64_t> sizes(1'000'000);
    for (size_t i = 0; i < sizes.size(); i += 10) sizes[i] = 1;
    bytes.letters("IwPQ").header(8, 100'000).u64(sizes.size()).u64(1).flat(8, 1'000'000).u8(0).table(0, 8);
    bytes.u8(1).u64(1).product_quantizer(8, 2, 4).lists(sizes, 1);
    auto sections = parse(bytes.out).sections();
    size_t count = 0;
    while (sections.next()) ++count;
    printf("1,000,000 lists of which 100,000 hold one vector: %zu sections\n", count);
    EXPECT_LT(count, 2000u);
}

}  // namespace
}  // namespace ingot
