#include "store/compress.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <iostream>
#include <random>

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
    EXPECT_EQ(code_of([&] { decompress(static_cast<Compression>(3), {}, 0, plain); }), Code::damaged);
}

// --- floats

Bytes bytes_of(const std::vector<float>& floats) {
    Bytes bytes(floats.size() * sizeof(float));
    std::memcpy(bytes.data(), floats.data(), bytes.size());
    return bytes;
}

// Vectors of length 1, as embedding models give them.
std::vector<float> embeddings(size_t count, size_t dimension, uint64_t seed) {
    std::mt19937_64 random(seed);
    std::normal_distribution<float> gauss;
    std::vector<float> floats(count * dimension);
    for (size_t v = 0; v < count; ++v) {
        float sum = 0;
        for (size_t d = 0; d < dimension; ++d) {
            float& value = floats[v * dimension + d] = gauss(random);
            sum += value * value;
        }
        for (size_t d = 0; d < dimension; ++d) floats[v * dimension + d] /= std::sqrt(sum);
    }
    return floats;
}

struct Outcome {
    Compression how;
    double ratio;
};

Outcome round_trip(const Bytes& bytes) {
    Bytes stored, plain;
    const Compression how = compress(bytes, stored, Content::f32);
    EXPECT_LE(stored.size(), bytes.size());
    decompress(how, stored, bytes.size(), plain);
    EXPECT_EQ(plain, bytes);
    return {how, static_cast<double>(stored.size()) / static_cast<double>(std::max<size_t>(1, bytes.size()))};
}

TEST(CompressFloats, GivesBackAnyBytesOfAnyLength) {
    const Bytes vectors = bytes_of(embeddings(300, 384, 1));
    size_t tried = 0;
    for (size_t size = 0; size < 300; ++size, ++tried)
        round_trip(Bytes(vectors.begin(), vectors.begin() + static_cast<ptrdiff_t>(size)));
    for (const size_t size : {4096, 40'001, 65'538, 131'075, 460'800}) {
        for (const Bytes& bytes : {vectors, noise(size, 1), prose(size, 1), Bytes(size), Bytes(size, 0xff)}) {
            round_trip(Bytes(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(std::min(size, bytes.size()))));
            ++tried;
        }
    }
    std::cout << tried << " inputs given back\n";
}

TEST(CompressFloats, ShrinksEmbeddingsToWhatTheirExponentsSay) {
    for (const size_t dimension : {size_t{384}, size_t{768}, size_t{1536}}) {
        const Outcome got = round_trip(bytes_of(embeddings((1 << 18) / dimension, dimension, dimension)));
        EXPECT_EQ(got.how, Compression::float_planes);
        EXPECT_GT(got.ratio, 0.82);
        EXPECT_LT(got.ratio, 0.85);
        std::cout << "dimension " << dimension << ": " << got.ratio << '\n';
    }
}

// Planes of which more than the exponents shrink: values on a grid, whole numbers, vectors padded with zeros, and mixtures.
TEST(CompressFloats, CompressesEachPlaneThatShrinks) {
    std::vector<float> grid = embeddings(300, 768, 1), whole = grid, padded = grid;
    for (float& value : grid) value = std::round(value * 1024) / 1024;
    for (float& value : whole) value = std::round(value * 1000);
    for (size_t i = 0; i < padded.size(); ++i) {
        if (i % 768 >= 384) padded[i] = 0;
    }
    EXPECT_LT(round_trip(bytes_of(grid)).ratio, 0.30);
    EXPECT_LT(round_trip(bytes_of(whole)).ratio, 0.30);
    EXPECT_LT(round_trip(bytes_of(padded)).ratio, 0.46);
}

TEST(CompressFloats, TakesPlainZstdWhereThatIsFarBetter) {
    EXPECT_EQ(round_trip(prose(1 << 20, 1)).how, Compression::zstd) << "no floats at all";
    EXPECT_LT(round_trip(Bytes(1 << 20)).ratio, 0.01);
    // The same few vectors again and again.
    const Bytes few = bytes_of(embeddings(4, 384, 7));
    Bytes repeated;
    while (repeated.size() < 1 << 20) repeated.insert(repeated.end(), few.begin(), few.end());
    EXPECT_LT(round_trip(repeated).ratio, 0.05);
}

TEST(CompressFloats, StoresWhatDoesNotShrink) {
    for (const size_t size : {100, 5001, 65'536, 1 << 20}) EXPECT_EQ(round_trip(noise(size, 3)).how, Compression::stored) << size;
}

// Laid out by hand from docs/format.md: exponents in a zstd frame (one run of 32 bytes 0x7f), the other planes stored, a tail.
TEST(DecompressFloats, ReadsTheBytesOfTheFormatPage) {
    Encoder stored;
    stored.u32(32).u32(32).u32(32).u32(10);
    Bytes low(32);
    for (size_t i = 0; i < 32; ++i) low[i] = static_cast<uint8_t>(i);
    stored.raw(low).raw(Bytes(32, 0)).raw(Bytes(32, 0));
    stored.raw(Bytes{0x28, 0xb5, 0x2f, 0xfd, 0x20, 0x20, 0x03, 0x01, 0x00, 0x7f}).raw(Bytes{1, 2, 3});
    Bytes plain;
    decompress(Compression::float_planes, stored.bytes(), 131, plain);
    ASSERT_EQ(plain.size(), 131U);
    for (uint32_t i = 0; i < 32; ++i) {
        uint32_t word = 0;
        std::memcpy(&word, plain.data() + size_t{i} * 4, 4);
        EXPECT_EQ(word, std::rotr(0x7f000000U | i, 1)) << i;
    }
    EXPECT_EQ(Bytes(plain.begin() + 128, plain.end()), (Bytes{1, 2, 3}));
}

TEST(DecompressFloats, RefusesAnyOtherLength) {
    const Bytes bytes = bytes_of(embeddings(20, 384, 1));
    Bytes stored, plain;
    ASSERT_EQ(compress(bytes, stored, Content::f32), Compression::float_planes);
    const auto code = [&](ByteView input, size_t length) {
        return code_of([&] { decompress(Compression::float_planes, input, length, plain); });
    };
    for (size_t length = 0; length < stored.size(); length += length < 100 ? 1 : 97)
        EXPECT_EQ(code(ByteView(stored).first(length), bytes.size()), Code::damaged) << length;
    for (const size_t length : {size_t{0}, size_t{3}, bytes.size() - 4, bytes.size() - 1, bytes.size() + 1, bytes.size() + 4})
        EXPECT_EQ(code(stored, length), Code::damaged) << length;
    Bytes grown = stored;
    grown.push_back(0);
    EXPECT_EQ(code(grown, bytes.size()), Code::damaged);
    EXPECT_EQ(code({}, 0), Code::damaged);
}

// Wrong bytes are allowed here (the chunks' digests catch them); more or fewer than were announced, a crash or a hang are not.
TEST(DecompressFloats, SurvivesDamageAnywhere) {
    std::mt19937_64 random(1);
    size_t refused = 0, wrong = 0;
    for (const Bytes& bytes : {bytes_of(embeddings(4, 384, 1)), Bytes(3000), bytes_of(std::vector<float>(999, 1.5F))}) {
        Bytes stored, plain;
        const Compression how = compress(bytes, stored, Content::f32);
        const auto attempt = [&](const Bytes& input) {
            const auto code = code_of([&] { decompress(how, input, bytes.size(), plain); });
            EXPECT_TRUE(!code || code == Code::damaged);
            if (!code) {
                EXPECT_EQ(plain.size(), bytes.size());
            }
            ++(code ? refused : wrong);
        };
        for (size_t bit = 0; bit < stored.size() * 8; bit += bit < 16 * 8 * 8 ? 1 : 37) {
            Bytes other = stored;
            other[bit / 8] = static_cast<uint8_t>(other[bit / 8] ^ (1U << (bit % 8)));
            attempt(other);
        }
        for (int round = 0; round < 2000; ++round) {
            Bytes other = stored;
            for (uint64_t k = random() % 8; k-- > 0;)
                other[random() % std::min<size_t>(other.size(), 200)] = static_cast<uint8_t>(random());
            if (random() % 4 == 0) other.resize(random() % (other.size() + 50));
            if (!other.empty()) attempt(other);
        }
        for (uint64_t seed = 0; seed < 300; ++seed) attempt(noise(1 + seed * 7, seed));
    }
    std::cout << refused << " damaged inputs refused, " << wrong << " decoded to the announced length\n";
    EXPECT_GT(refused, 1000U);
}

}  // namespace
}  // namespace ingot
