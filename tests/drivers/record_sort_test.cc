#include "drivers/record_sort.h"

#include <algorithm>

#include "tests/drivers/test_folder.h"

namespace ingot {
namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;

Pairs sorted(const Pairs& records, size_t memory, size_t* runs) {
    const TestFolder folder;
    RecordSort sort(folder.path(), memory);
    for (const auto& [key, payload] : records) sort.add(view_of(key), view_of(payload));
    sort.finish();
    Pairs out;
    while (const auto record = sort.next()) out.emplace_back(text_of(record->key), text_of(record->payload));
    EXPECT_FALSE(sort.next());
    *runs = sort.runs();
    return out;
}

TEST(RecordSort, SortsAlikeWhateverFitsInMemory) {
    Pairs records;
    for (int i = 0; i < 5000; ++i) {
        records.emplace_back("key " + std::to_string(i * 7919 % 2500),
                             std::string(static_cast<size_t>(i % 97), 'p') + std::to_string(i));
    }
    records.emplace_back("", "an empty key");
    records.emplace_back(std::string("\xff\x00\x01", 3), "");
    records.emplace_back("large", std::string(300'000, 'L'));
    Pairs wanted = records;
    std::stable_sort(wanted.begin(), wanted.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    size_t runs = 0;
    EXPECT_TRUE(sorted(records, 100 << 20, &runs) == wanted);
    EXPECT_EQ(runs, 0u);
    for (const size_t memory : {300'000u, 100'000u, 10'000u}) {
        EXPECT_TRUE(sorted(records, memory, &runs) == wanted) << memory;
        EXPECT_GT(runs, 0u);
        std::printf("%zu records in %zu bytes: %zu runs\n", records.size(), memory, runs);
    }
}

TEST(RecordSort, OfNothingIsNothing) {
    size_t runs = 0;
    EXPECT_TRUE(sorted({}, 1000, &runs).empty());
}

}  // namespace
}  // namespace ingot
