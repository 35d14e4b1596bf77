#include "store/seal.h"

#include <gtest/gtest.h>

#include <set>

#include "store/keys.h"
#include "tests/store/code_of.h"
#include "tests/support/memory_feed.h"

namespace ingot {
namespace {

using test::noise;

constexpr std::array kSeals = {Seal::aes256_gcm, Seal::chacha20_poly1305};

Bytes counting(size_t n) {
    Bytes bytes(n);
    for (size_t i = 0; i < n; ++i) bytes[i] = static_cast<uint8_t>(i);
    return bytes;
}

std::string sealed_hex(Seal seal, ByteView key, uint64_t counter, std::string_view associated, Bytes bytes) {
    const Tag tag = Sealer(seal, Secret::copy_of(key)).seal(counter, view_of(associated), bytes);
    return to_hex(bytes) + to_hex(tag);
}

// Test cases 13 and 14 of the GCM specification (McGrew and Viega): key and nonce of zeros, which is counter 0.
TEST(Seal, AgreesWithThePublishedVectorsOfGcm) {
    EXPECT_EQ(sealed_hex(Seal::aes256_gcm, Bytes(32), 0, "", {}), "530f8afbc74536b9a963b4f1c4cb738b");
    EXPECT_EQ(sealed_hex(Seal::aes256_gcm, Bytes(32), 0, "", Bytes(16)),
              "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919");
}

// Made by another implementation (Python's `cryptography`) with the nonce 08 07 06 05 04 03 02 01 00 00 00 00.
TEST(Seal, PutsTheCounterFirstInTheNonceLittleEndian) {
    const std::string_view text = "Ingot seals this.";
    const Bytes bytes(text.begin(), text.end());
    EXPECT_EQ(sealed_hex(Seal::aes256_gcm, counting(32), 0x0102030405060708, "associated", bytes),
              "fed1160ae666110f74f7980baafdf5b917ee3e13eb0d5fad2a3f2c3dcb7078027a");
    EXPECT_EQ(sealed_hex(Seal::chacha20_poly1305, counting(32), 0x0102030405060708, "associated", bytes),
              "6ce15a47445757f86018a9857ed9e861fa48a1323bb237cf905a0c95f9a64aea68");
}

TEST(Seal, NoneIsAChecksumOfTheBytesAsTheyAre) {
    Bytes bytes = noise(1000, 1);
    const Bytes before = bytes;
    const Sealer sealer(Seal::none, Secret());
    const Tag tag = sealer.seal(7, view_of("x"), bytes);
    EXPECT_EQ(bytes, before);
    sealer.unseal(8, view_of("y"), bytes, tag);
    Bytes nothing;
    EXPECT_EQ(to_hex(sealer.seal(0, {}, nothing)), "99aa06d3014798d86001c324468d497f");  // XXH3-128 of nothing, canonical
    for (size_t bit = 0; bit < 8000; bit += 7) {
        bytes[bit / 8] = static_cast<uint8_t>(bytes[bit / 8] ^ (1U << (bit % 8)));
        EXPECT_EQ(code_of([&] { sealer.unseal(7, {}, bytes, tag); }), Code::damaged);
        bytes = before;
    }
}

TEST(Seal, GivesBackWhatWasSealed) {
    for (const Seal seal : kSeals) {
        const Sealer sealer(seal, Secret::copy_of(noise(32, 1)));
        for (const size_t size : {0, 1, 15, 16, 17, 4096, (1 << 20) + 1}) {
            const Bytes plain = noise(size, size);
            Bytes bytes = plain;
            const Tag tag = sealer.seal(size, view_of("ad"), bytes);
            if (size > 8) {
                EXPECT_NE(bytes, plain);
            }
            sealer.unseal(size, view_of("ad"), bytes, tag);
            EXPECT_EQ(bytes, plain);
        }
    }
}

// X03: data, tag, associated data, counter and key, every bit; what was decrypted is wiped.
TEST(Seal, BreaksAtAnyFlippedBitAndLeavesNoPlaintextBehind) {
    size_t flips = 0;
    for (const Seal seal : kSeals) {
        const Bytes key = noise(32, 1);
        const Sealer sealer(seal, Secret::copy_of(key));
        Bytes sealed = noise(40, 2);
        const Bytes associated = noise(24, 3);
        const uint64_t counter = 5;
        const Tag tag = sealer.seal(counter, associated, sealed);
        const auto broken = [&](const Sealer& with, uint64_t at, const Bytes& ad, Bytes bytes, const Tag& t) {
            ++flips;
            return code_of([&] { with.unseal(at, ad, bytes, t); }) == Code::damaged && bytes == Bytes(bytes.size());
        };
        const auto flipped = [](auto bytes, size_t bit) {
            bytes[bit / 8] = static_cast<uint8_t>(bytes[bit / 8] ^ (1U << (bit % 8)));
            return bytes;
        };
        for (size_t bit = 0; bit < sealed.size() * 8; ++bit)
            EXPECT_TRUE(broken(sealer, counter, associated, flipped(sealed, bit), tag)) << bit;
        for (size_t bit = 0; bit < tag.size() * 8; ++bit)
            EXPECT_TRUE(broken(sealer, counter, associated, sealed, flipped(tag, bit))) << bit;
        for (size_t bit = 0; bit < associated.size() * 8; ++bit)
            EXPECT_TRUE(broken(sealer, counter, flipped(associated, bit), sealed, tag)) << bit;
        for (size_t bit = 0; bit < 64; ++bit)
            EXPECT_TRUE(broken(sealer, counter ^ (uint64_t{1} << bit), associated, sealed, tag)) << bit;
        for (size_t bit = 0; bit < 256; ++bit) {
            EXPECT_TRUE(broken(Sealer(seal, Secret::copy_of(flipped(key, bit))), counter, associated, sealed, tag)) << bit;
        }
        Bytes shorter(sealed.begin(), sealed.end() - 1);
        EXPECT_TRUE(broken(sealer, counter, associated, shorter, tag));
    }
    std::printf("sealed bits flipped: %zu\n", flips);
}

// X09: equal plaintexts under different counters, packs, epochs or purposes share no keystream.
TEST(Seal, NeverRepeatsAKeystream) {
    const uint64_t count = std::getenv("INGOT_NIGHTLY") != nullptr ? 1'000'000 : 20'000;
    for (const Seal seal : kSeals) {
        const Sealer sealer(seal, Secret::copy_of(noise(32, 1)));
        std::set<Bytes> seen;
        for (uint64_t counter = 0; counter < count; ++counter) {
            Bytes bytes(16);  // of zeros: what comes out is the keystream
            sealer.seal(counter, {}, bytes);
            ASSERT_TRUE(seen.insert(bytes).second) << "counter " << counter;
        }
        Bytes last(16);
        sealer.seal(UINT64_MAX, {}, last);
        EXPECT_TRUE(seen.insert(last).second);
    }
}

TEST(Seal, HasAKeyOfItsOwnForEachSaltPurposeAndRepository) {
    const KeyRing keys = KeyRing::generate();
    std::set<Bytes> seen;
    size_t made = 0;
    for (uint8_t s = 0; s < 20; ++s) {
        Salt salt{};
        salt[0] = s;
        for (uint8_t r = 0; r < 3; ++r) {
            RepositoryId repository;
            repository.bytes[0] = r;
            for (const Sealer& sealer : {keys.pack_sealer(Seal::aes256_gcm, 1, repository, salt),
                                         keys.record_sealer(Seal::aes256_gcm, 1, repository, salt),
                                         keys.directory_sealer(Seal::aes256_gcm, repository, salt)}) {
                Bytes bytes(16);
                sealer.seal(0, {}, bytes);
                seen.insert(bytes);
                ++made;
            }
        }
    }
    EXPECT_EQ(seen.size(), made);
}

TEST(Seal, RefusesAKindItDoesNotKnow) {
    EXPECT_EQ(code_of([] { Sealer(static_cast<Seal>(3), Secret(32)); }), Code::damaged);
    EXPECT_NE(best_seal(), Seal::none);
}

}  // namespace
}  // namespace ingot
