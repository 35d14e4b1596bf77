#include "store/hash.h"

#include <gtest/gtest.h>

#include <set>

#include "tests/support/memory_feed.h"

namespace ingot {
namespace {

using test::noise;

std::string hex_of(std::string_view text) { return sha256(view_of(text)).hex(); }

// FIPS 180-4 examples, as NIST publishes them.
TEST(Hash, AgreesWithTheVectorsOfNist) {
    EXPECT_EQ(hex_of(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    EXPECT_EQ(hex_of("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    EXPECT_EQ(hex_of("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
              "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    EXPECT_EQ(
        hex_of(
            "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu"),
        "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1");
    EXPECT_EQ(hex_of(std::string(1'000'000, 'a')), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Hash, OfPiecesIsTheHashOfTheWhole) {
    const Bytes bytes = noise(100'000, 1);
    for (const size_t piece : {1, 63, 64, 65, 4096, 99'999}) {
        Sha256 hash;
        for (size_t at = 0; at < bytes.size(); at += piece)
            hash.update(ByteView(bytes).subspan(at, std::min(piece, bytes.size() - at)));
        EXPECT_EQ(hash.finish(), sha256(bytes)) << "in pieces of " << piece;
    }
}

TEST(Hash, OfManyIsTheHashOfEach) {
    std::vector<Bytes> inputs;
    for (size_t size = 0; size < 300; ++size) inputs.push_back(noise(size, size));
    for (const size_t size : {4095, 4096, 4097, 65536, 1 << 20}) inputs.push_back(noise(size, size));
    const std::vector<ByteView> views(inputs.begin(), inputs.end());
    for (size_t count = 0; count <= views.size(); count = count < 20 ? count + 1 : count * 2) {
        std::vector<Digest> digests(count);
        hash_many(std::span(views).first(count), digests);
        for (size_t i = 0; i < count; ++i) EXPECT_EQ(digests[i], sha256(inputs[i])) << "input " << i << " of " << count;
    }
    std::vector<Digest> digests(views.size());
    hash_many(views, digests);
    for (size_t i = 0; i < views.size(); ++i) EXPECT_EQ(digests[i], sha256(inputs[i]));
}

TEST(Hmac, AgreesWithTheVectorsOfRfc4231) {
    const auto hmac = [](const Bytes& key, std::string_view text) { return HmacSha256(key)({view_of(text)}).hex(); };
    const auto text_bytes = [](std::string_view text) { return Bytes(text.begin(), text.end()); };
    Bytes counting;
    for (uint8_t i = 1; i <= 25; ++i) counting.push_back(i);
    EXPECT_EQ(hmac(Bytes(20, 0x0b), "Hi There"), "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    EXPECT_EQ(hmac(text_bytes("Jefe"), "what do ya want for nothing?"),
              "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    EXPECT_EQ(hmac(Bytes(20, 0xaa), std::string(50, '\xdd')), "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe");
    EXPECT_EQ(hmac(counting, std::string(50, '\xcd')), "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b");
    EXPECT_EQ(hmac(Bytes(20, 0x0c), "Test With Truncation").substr(0, 32), "a3b6167473100ee06e0c796c2955552b");
    EXPECT_EQ(hmac(Bytes(131, 0xaa), "Test Using Larger Than Block-Size Key - Hash Key First"),
              "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    EXPECT_EQ(hmac(Bytes(131, 0xaa),
                   "This is a test using a larger than block-size key and a larger than block-size data. The key needs to be "
                   "hashed before being "
                   "used by the HMAC algorithm."),
              "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2");
}

TEST(Hmac, TakesItsPartsAsOneMessageAndCanBeUsedAgain) {
    const HmacSha256 hmac(view_of("key"));
    const Digest whole = hmac({view_of("one two")});
    EXPECT_EQ(hmac({view_of("one"), view_of(" "), view_of("two")}), whole);
    EXPECT_EQ(hmac({view_of(""), view_of("one two")}), whole);
    EXPECT_NE(hmac({view_of("one")}), whole);
}

TEST(Hash, ComparesSecretsByContentAndLength) {
    EXPECT_TRUE(same_secret(view_of("abc"), view_of("abc")));
    EXPECT_TRUE(same_secret({}, {}));
    EXPECT_FALSE(same_secret(view_of("abc"), view_of("abd")));
    EXPECT_FALSE(same_secret(view_of("abc"), view_of("ab")));
}

TEST(Hash, RandomBytesDoNotRepeat) {
    std::set<Bytes> seen;
    for (int i = 0; i < 1000; ++i) {
        Bytes bytes(16);
        random_bytes(bytes);
        EXPECT_TRUE(seen.insert(bytes).second);
    }
}

}  // namespace
}  // namespace ingot
