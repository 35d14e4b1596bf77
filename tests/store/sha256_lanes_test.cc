#include "store/sha256_lanes.h"

#include <gtest/gtest.h>

#include <iostream>

#include "store/hash.h"
#include "tests/support/memory_feed.h"

namespace ingot {
namespace {

using test::noise;

class Sha256Lanes : public ::testing::Test {
protected:
    void SetUp() override {
        if (!has_sha_instructions()) GTEST_SKIP() << "this processor has no SHA instructions";
    }
};

// FIPS 180-4's own examples.
TEST_F(Sha256Lanes, GivesTheDigestsOfTheStandard) {
    const std::string abc = "abc", two_blocks = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
    const std::vector<ByteView> inputs{view_of(abc), view_of(two_blocks), {}};
    std::vector<Digest> digests(3);
    sha256_in_lanes(inputs, digests);
    EXPECT_EQ(digests[0].hex(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    EXPECT_EQ(digests[1].hex(), "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    EXPECT_EQ(digests[2].hex(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST_F(Sha256Lanes, AgreesWithOneAtATimeAtEveryLengthAndInAnyCompany) {
    std::vector<Bytes> messages;
    for (size_t size = 0; size < 300; ++size) messages.push_back(noise(size, size + 1));
    std::mt19937_64 random(1);
    for (int i = 0; i < 300; ++i) messages.push_back(noise(random() % (1U << (1 + random() % 17)), random()));
    size_t compared = 0;
    for (const size_t count : {size_t{0}, size_t{1}, size_t{2}, size_t{3}, messages.size()}) {
        for (int round = 0; round < 5; ++round) {
            std::shuffle(messages.begin(), messages.end(), random);
            const std::vector<ByteView> inputs(messages.begin(), messages.begin() + static_cast<ptrdiff_t>(count));
            std::vector<Digest> digests(count);
            sha256_in_lanes(inputs, digests);
            for (size_t i = 0; i < count; ++i, ++compared)
                EXPECT_EQ(digests[i], sha256(inputs[i])) << inputs[i].size() << " bytes";
        }
    }
    std::cout << compared << " digests compared\n";
    EXPECT_GT(compared, 3000U);
}

}  // namespace
}  // namespace ingot
