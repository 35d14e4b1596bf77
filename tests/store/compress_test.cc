#include "store/compress.h"

#include <gtest/gtest.h>

#include "tests/store/code_of.h"
#include "tests/support/memory_feed.h"

namespace ingot {
namespace {

using test::noise;
using test::prose;

TEST(Compress, GivesBackWhatWasCompressed) {
    Bytes stored, plain;
    for (const size_t size : {0, 1, 2, 100, 4096, 65'536, 65'537, (1 << 20), (2 << 20)}) {
        for (const Bytes& bytes : {noise(size, 1), prose(size, 1), Bytes(size), Bytes(size, 0xff)}) {
            const Compression how = compress(bytes, stored);
            EXPECT_LE(stored.size(), bytes.size());
            decompress(how, stored, bytes.size(), plain);
            EXPECT_EQ(plain, bytes);
        }
    }
}

TEST(Compress, StoresWhatDoesNotShrink) {
    Bytes stored;
    for (const size_t size : {1, 100, 5000, 65'536, 1 << 20}) {
        const Bytes bytes = noise(size, 3);
        EXPECT_EQ(compress(bytes, stored), Compression::stored) << size;
        EXPECT_EQ(stored, bytes);
    }
    EXPECT_EQ(compress(prose(1 << 20, 1), stored), Compression::zstd);
    EXPECT_LT(stored.size(), (1U << 20) / 2);
}

// The sample lies in the middle; text there speaks for noise at both ends.
TEST(Compress, NeverStoresMoreThanThePlainBytes) {
    Bytes bytes = noise(1 << 20, 1);
    const Bytes text = prose(64 << 10, 2);
    std::copy(text.begin(), text.end(), bytes.begin() + (bytes.size() - text.size()) / 2);
    Bytes stored, plain;
    const Compression how = compress(bytes, stored);
    EXPECT_LE(stored.size(), bytes.size());
    decompress(how, stored, bytes.size(), plain);
    EXPECT_EQ(plain, bytes);
}

TEST(Decompress, RefusesAnyOtherLength) {
    const Bytes bytes = prose(10'000, 1);
    Bytes stored, plain;
    ASSERT_EQ(compress(bytes, stored), Compression::zstd);
    for (const size_t length : {size_t{0}, size_t{1}, bytes.size() - 1, bytes.size() + 1, bytes.size() * 2}) {
        EXPECT_EQ(code_of([&] { decompress(Compression::zstd, stored, length, plain); }), Code::damaged) << length;
        EXPECT_EQ(code_of([&] { decompress(Compression::stored, bytes, length, plain); }), Code::damaged) << length;
    }
}

TEST(Decompress, RefusesBytesThatAreCutShortOrGrown) {
    const Bytes bytes = prose(3000, 1);
    Bytes stored, plain;
    ASSERT_EQ(compress(bytes, stored), Compression::zstd);
    for (size_t length = 0; length < stored.size(); ++length) {
        EXPECT_EQ(code_of([&] { decompress(Compression::zstd, ByteView(stored).first(length), bytes.size(), plain); }),
                  Code::damaged)
            << length;
    }
    Bytes grown = stored;
    grown.push_back(0);
    EXPECT_EQ(code_of([&] { decompress(Compression::zstd, grown, bytes.size(), plain); }), Code::damaged);
}

// The seal is checked before; this is for what passes it. Wrong bytes are allowed here (the chunks' digests catch them), more
// bytes than were announced, a crash or a hang are not.
TEST(Decompress, SurvivesEveryFlippedBit) {
    const Bytes bytes = prose(2000, 1);
    Bytes stored, plain;
    ASSERT_EQ(compress(bytes, stored), Compression::zstd);
    for (size_t bit = 0; bit < stored.size() * 8; ++bit) {
        Bytes other = stored;
        other[bit / 8] = static_cast<uint8_t>(other[bit / 8] ^ (1U << (bit % 8)));
        const auto code = code_of([&] { decompress(Compression::zstd, other, bytes.size(), plain); });
        if (code) {
            EXPECT_EQ(code, Code::damaged);
        } else {
            EXPECT_EQ(plain.size(), bytes.size());
        }
    }
    for (uint64_t seed = 0; seed < 300; ++seed) {
        EXPECT_EQ(code_of([&] { decompress(Compression::zstd, noise(1000, seed), 5000, plain); }), Code::damaged);
    }
}

// A bomb: a few hundred bytes that say to be a gigabyte. Never more memory than the announced length.
TEST(Decompress, GivesABombNoMoreThanTheAnnouncedLength) {
    Bytes stored, plain;
    ASSERT_EQ(compress(Bytes(64 << 20), stored), Compression::zstd);
    ASSERT_LT(stored.size(), 64U << 10);
    EXPECT_EQ(code_of([&] { decompress(Compression::zstd, stored, 2 << 20, plain); }), Code::damaged);
    EXPECT_LE(plain.capacity(), 4U << 20);
}

TEST(Decompress, RefusesAKindItDoesNotKnow) {
    Bytes plain;
    EXPECT_EQ(code_of([&] { decompress(static_cast<Compression>(2), {}, 0, plain); }), Code::damaged);
}

}  // namespace
}  // namespace ingot
