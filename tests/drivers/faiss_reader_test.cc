#include "drivers/faiss_reader.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "tests/drivers/faiss_bytes.h"

namespace ingot {
namespace {

using test::FaissBytes;

class ReaderOver {
public:
    explicit ReaderOver(Bytes bytes) : bytes_(std::move(bytes)), read_at_(test::reader_of(bytes_)), in(read_at_, bytes_.size()) {}

private:
    Bytes bytes_;
    ReadAt read_at_;

public:
    FaissReader in;
};

TEST(FaissReader, LettersAreLittleEndian) {
    EXPECT_EQ(ReaderOver(FaissBytes().letters("IxF2").out).in.u32("letters"), fourcc("IxF2"));
    EXPECT_EQ(fourcc_text(fourcc("IxF2")), "IxF2");
    EXPECT_EQ(fourcc_text(7), "\\x07\\x00\\x00\\x00");
}

TEST(FaissReader, ATableIsSkippedWithoutReadingIt) {
    size_t bytes_read = 0;
    const Bytes file = FaissBytes().table(1 << 20, 4).i32(7).out;
    const ReadAt counted = [&](uint64_t offset, std::span<uint8_t> out) {
        bytes_read += out.size();
        return test::reader_of(file)(offset, out);
    };
    FaissReader in(counted, file.size());
    const auto table = in.table(4, "floats");
    EXPECT_EQ(table.offset, 8u);
    EXPECT_EQ(table.count, 1u << 20);
    EXPECT_EQ(in.i32("after"), 7);
    EXPECT_EQ(in.left(), 0u);
    EXPECT_LE(bytes_read, 8192u);
}

TEST(FaissReader, ACountBeyondTheFileIsAnErrorThatNamesIt) {
    for (const uint64_t count : {uint64_t{3}, uint64_t{1} << 40, uint64_t{1} << 62, UINT64_MAX}) {
        ReaderOver file(FaissBytes().u64(count).zeros(16).out);
        try {
            file.in.table(8, "the ids");
            FAIL() << count;
        } catch (const Error& error) {
            EXPECT_EQ(error.code(), Code::source);
            EXPECT_NE(std::string(error.what()).find("the ids says " + std::to_string(count)), std::string::npos) << error.what();
        }
    }
}

TEST(FaissReader, ValuesOfATableComeInOrderThroughPieces) {
    std::vector<uint64_t> values(FaissReader::kPieceBytes / 8 * 2 + 5);
    for (size_t i = 0; i < values.size(); ++i) values[i] = i * i;
    ReaderOver file(FaissBytes().table(values).out);
    const auto table = file.in.table(8, "squares");
    uint64_t seen = 0;
    file.in.for_each<uint64_t>(table, [&](uint64_t index, uint64_t value) {
        EXPECT_EQ(index, seen++);
        ASSERT_EQ(value, index * index);
    });
    EXPECT_EQ(seen, values.size());
    EXPECT_EQ(file.in.value<uint64_t>(table, 9), 81u);
}

TEST(FaissReader, AFlagIsZeroOrOne) {
    ReaderOver file(FaissBytes().u8(0).u8(1).u8(2).out);
    EXPECT_FALSE(file.in.flag("a"));
    EXPECT_TRUE(file.in.flag("b"));
    EXPECT_THROW(file.in.flag("c"), Error);
}

TEST(FaissReader, ProductsSaturate) {
    EXPECT_EQ(saturating_product(3, 5), 15u);
    EXPECT_EQ(saturating_product(uint64_t{1} << 40, uint64_t{1} << 40), UINT64_MAX);
}

}  // namespace
}  // namespace ingot
