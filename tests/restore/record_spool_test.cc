#include "restore/record_spool.h"

#include <gtest/gtest.h>

#include "tests/base/temp_dir.h"

namespace ingot {
namespace {

TEST(RecordSpool, GivesEveryRecordBackFromMemoryAndFromTheFile) {
    TempDir dir;
    RecordSpool spool(dir.path());
    const auto record = [](size_t i) { return Bytes(i % 97, static_cast<uint8_t>(i)); };
    for (size_t i = 0; i < 20'000; ++i) spool.append(record(i));
    EXPECT_EQ(spool.size(), 20'000u);
    for (size_t i = 20'000; i-- > 0;) ASSERT_EQ(spool.read(i), record(i)) << i;
    EXPECT_THROW((void)spool.read(20'000), std::out_of_range);
}

}  // namespace
}  // namespace ingot
