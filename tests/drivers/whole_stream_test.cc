#include "drivers/whole_stream.h"

#include <gtest/gtest.h>

#include "base/bytes.h"

namespace ingot {
namespace {

std::string all_of(Stream& stream, size_t piece) {
    std::string out;
    while (const auto section = stream.next_section()) {
        const size_t before = out.size();
        for (Bytes buffer(piece);;) {
            const size_t n = stream.read(buffer);
            if (n == 0) break;
            out.append(buffer.begin(), buffer.begin() + static_cast<ptrdiff_t>(n));
        }
        EXPECT_EQ(out.size() - before, section->length_bytes);
        EXPECT_EQ(section->cut, Cut::cdc);
    }
    return out;
}

TEST(WholeStream, IsOneSectionHoweverItIsRead) {
    const std::string text = "twenty-one characters";
    for (const size_t piece : {size_t{1}, size_t{4}, size_t{21}, size_t{100}}) {
        WholeStream stream(text);
        EXPECT_EQ(all_of(stream, piece), text);
        EXPECT_TRUE(stream.settled());
    }
}

TEST(WholeStream, OfNothingHasNoSection) {
    const std::string nothing;
    WholeStream stream(nothing);
    EXPECT_FALSE(stream.next_section());
}

TEST(WholeStream, AsksForBytesByTheirOffset) {
    std::vector<uint64_t> offsets;
    WholeStream stream(10, [&](uint64_t offset, std::span<uint8_t> out) {
        offsets.push_back(offset);
        const size_t n = std::min<size_t>({out.size(), 10 - offset, 3});
        std::fill_n(out.begin(), n, 'x');
        return n;
    });
    EXPECT_EQ(all_of(stream, 8), std::string(10, 'x'));
    EXPECT_EQ(offsets, (std::vector<uint64_t>{0, 3, 6, 9, 10}));
}

}  // namespace
}  // namespace ingot
