#include "restore/content.h"

#include <gtest/gtest.h>

#include "tests/support/temp_dir.h"
#include "tests/support/tree_model.h"

namespace ingot::test {
namespace {

bool same(const std::string& stored, const std::string& live) {
    TempDir dir;
    MemoryContent content;
    const StreamRoot root = content.add(stored);
    write_file(dir / "live", live);
    return same_content(content, root, *real_filesystem().open(dir / "live"));
}

TEST(SameContent, IsTrueForTheSameBytesOnly) {
    for (const size_t size : {0, 1, 4999, 5000, 5001, 10'000, 100'001}) {
        std::string bytes(size, 'a');
        EXPECT_TRUE(same(bytes, bytes)) << size;
        EXPECT_FALSE(same(bytes, bytes + "b")) << size;
        if (size == 0) continue;
        EXPECT_FALSE(same(bytes, bytes.substr(1))) << size;
        for (const size_t at : {size_t{0}, size / 2, size - 1}) {
            std::string other = bytes;
            other[at] ^= 1;
            EXPECT_FALSE(same(bytes, other)) << size << " differs at " << at;
        }
    }
}

TEST(SameContent, HoldsOverManyBatches) {
    const std::string bytes(9'500'000, 'z');
    EXPECT_TRUE(same(bytes, bytes));
    std::string other = bytes;
    other.back() = 'y';
    EXPECT_FALSE(same(bytes, other));
}

}  // namespace
}  // namespace ingot::test
