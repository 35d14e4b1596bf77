#include "store/pack_reader.h"

#include <gtest/gtest.h>

#include "tests/store/code_of.h"
#include "tests/store/sample_pack.h"

namespace ingot {
namespace {

using test::flip_bit;
using test::SamplePack;

// Opens the pack and all its segments; the code of the first error.
std::optional<Code> read_all(SamplePack& pack, std::string* message = nullptr) {
    return code_of(
        [&] {
            const PackReader reader = pack.open();
            for (size_t i = 0; i < reader.segments().size(); ++i) {
                if (pack.segment(reader, i) != pack.drafts.at(i).plain)
                    throw std::logic_error("other bytes were returned as data");
            }
        },
        message);
}

TEST(PackReader, FindsEveryFlippedBit) {
    for (const bool sealed : {true, false}) {
        SamplePack pack(sealed);
        const Bytes good = pack.file();
        std::string message;
        for (size_t bit = 0; bit < good.size() * 8; ++bit) {
            flip_bit(pack.file(), bit);
            EXPECT_EQ(read_all(pack, &message), Code::damaged) << "bit " << bit;
            EXPECT_NE(message.find(pack_name(pack.id)), std::string::npos) << message;
            pack.file() = good;
        }
        EXPECT_EQ(read_all(pack), std::nullopt);
        std::printf("bits of a %s pack flipped: %zu, returned as data: 0\n", sealed ? "sealed" : "plain", good.size() * 8);
    }
}

TEST(PackReader, FindsEveryTruncationAndGrowth) {
    SamplePack pack;
    const Bytes good = pack.file();
    for (size_t length = 0; length < good.size(); ++length) {
        pack.file().resize(length);
        EXPECT_EQ(read_all(pack), Code::damaged) << "cut to " << length;
        pack.file() = good;
    }
    for (const size_t more : {1, 52, 4096}) {
        pack.file().resize(good.size() + more);
        EXPECT_EQ(read_all(pack), Code::damaged) << "grown by " << more;
        pack.file() = good;
    }
}

// C06: two packs under each other's names, and one under a name of its own making.
TEST(PackReader, FindsPacksUnderOtherNames) {
    SamplePack pack;
    const PackId first = pack.id;
    pack.write(ChunkKind::data, 9);
    std::swap(pack.store.blobs.at(pack_name(first)), pack.file());
    EXPECT_EQ(read_all(pack), Code::damaged);
    const std::string name = pack_name(first);
    pack.store.blobs.erase(name);
    pack.id = first;
    EXPECT_EQ(read_all(pack), Code::not_found);
}

// X05: a pack of another repository, or one sealed with other keys.
TEST(PackReader, OpensNothingOfAnotherRepositoryOrKey) {
    SamplePack pack;
    RepositoryId other = pack.repository;
    other.bytes[0] ^= 1;
    EXPECT_EQ(code_of([&] { PackReader(pack.store, pack.keys, other, pack.id); }), Code::damaged);
    const KeyRing keys = KeyRing::generate();
    EXPECT_EQ(code_of([&] { PackReader(pack.store, keys, pack.repository, pack.id); }), Code::damaged);
}

// A sealed repository takes no pack that anyone could have written.
TEST(PackReader, RefusesAnUnsealedPackInASealedRepository) {
    SamplePack plain(false);
    const KeyRing keys = KeyRing::generate();
    EXPECT_EQ(code_of([&] { PackReader(plain.store, keys, plain.repository, plain.id); }), Code::damaged);
}

TEST(PackReader, KeepsSegmentsInTheirPlaces) {
    SamplePack pack;
    const PackReader reader = pack.open();
    Bytes sealed, plain;
    for (size_t from = 0; from < 3; ++from) {
        for (size_t to = 0; to < 3; ++to) {
            if (from == to) continue;
            reader.read_sealed(from, 1, sealed);
            EXPECT_EQ(code_of([&] { reader.open_segment(to, sealed, plain); }), Code::damaged);
        }
    }
}

TEST(PackReader, ReadsNeighboursInOneRead) {
    SamplePack pack;
    const PackReader reader = pack.open();
    Bytes all, one;
    reader.read_sealed(0, 3, all);
    size_t at = 0;
    for (size_t i = 0; i < 3; ++i) {
        reader.read_sealed(i, 1, one);
        EXPECT_TRUE(std::equal(one.begin(), one.end(), all.begin() + static_cast<ptrdiff_t>(at)));
        at += one.size();
    }
    EXPECT_EQ(at, all.size());
}

}  // namespace
}  // namespace ingot
