#include "store/client_memory.h"

#include <gtest/gtest.h>

#include "store/hash.h"
#include "tests/store/code_of.h"
#include "tests/store/memory_store.h"
#include "tests/support/temp_dir.h"

namespace ingot {
namespace {

class ClientMemoryTest : public ::testing::Test {
protected:
    ClientMemoryTest() {
        random_bytes(repository_.bytes);
        random_bytes(key_);
    }
    static WriterId writer(uint8_t n) {
        WriterId id;
        id.bytes.fill(n);
        return id;
    }
    void publish(uint8_t who, uint8_t record) {
        RecordName name{RecordKind::manifest, {}};
        name.id.bytes.fill(record);
        WriterState& state = states_[writer(who)];
        const Head head = next_head(state, writer(who), {name}, {}, false);
        Bytes& file = blobs_.blobs[head_path(writer(who), head.number)];
        file = encode_head(head, repository_, key_);
        state.last = head.number;
        state.last_hash = sha256(file);
    }
    HeadState heads() { return load_heads(blobs_, repository_, key_); }
    ClientMemory memory() { return {real_filesystem(), state_, repository_}; }
    void remember() { memory().remember(heads()); }
    std::optional<Code> checked(std::string* message = nullptr) {
        return code_of([&] { memory().check(blobs_, heads()); }, message);
    }

    test::TempDir dir_{test::fast_folder()};
    std::string state_ = dir_ / "state";
    test::MemoryStore blobs_;
    RepositoryId repository_;
    Bytes key_ = Bytes(32);
    std::map<WriterId, WriterState> states_;
};

TEST_F(ClientMemoryTest, FirstContactIsFine) {
    EXPECT_EQ(checked(), std::nullopt);
    publish(1, 1);
    EXPECT_EQ(checked(), std::nullopt);
}

TEST_F(ClientMemoryTest, WhatGrewIsFine) {
    publish(1, 1);
    remember();
    EXPECT_EQ(checked(), std::nullopt);
    publish(1, 2);
    publish(2, 3);
    EXPECT_EQ(checked(), std::nullopt);
    remember();
    EXPECT_EQ(checked(), std::nullopt);
}

// X06: the whole repository, one writer, or one head put back.
TEST_F(ClientMemoryTest, WhatShrankIsTamperedWith) {
    publish(1, 1);
    publish(2, 2);
    const auto older = blobs_.blobs;
    publish(1, 3);
    remember();
    blobs_.blobs = older;
    std::string message;
    EXPECT_EQ(checked(&message), Code::tampered);
    EXPECT_NE(message.find(head_path(writer(1), 2)), std::string::npos) << message;
    EXPECT_NE(message.find("--accept-head"), std::string::npos) << message;
    blobs_.blobs.clear();
    EXPECT_EQ(checked(), Code::tampered);
}

TEST_F(ClientMemoryTest, AnotherHeadOfTheSameNumberIsTamperedWith) {
    publish(1, 1);
    const auto before = blobs_.blobs;
    const auto states = states_;
    publish(1, 2);
    remember();
    blobs_.blobs = before;
    states_ = states;
    publish(1, 9);
    EXPECT_EQ(checked(), Code::tampered);
    publish(1, 10);
    EXPECT_EQ(checked(), Code::tampered) << "a later head does not excuse an earlier one";
}

TEST_F(ClientMemoryTest, ADamagedHeadIsDamageAndNotTampering) {
    publish(1, 1);
    publish(1, 2);
    remember();
    test::flip_bit(blobs_.blobs.at(head_path(writer(1), 2)), 500);
    EXPECT_FALSE(heads().problems.empty());
    EXPECT_EQ(checked(), std::nullopt) << "load_heads has named it";
}

TEST_F(ClientMemoryTest, ARememberedHeadThatIsMissingBelowALaterOneIsTamperedWith) {
    publish(1, 1);
    remember();
    publish(1, 2);
    blobs_.blobs.erase(head_path(writer(1), 1));
    EXPECT_EQ(checked(), Code::tampered);
}

// It lies out of the storage's reach; what cannot be read is a first contact, never an error in the way of a backup.
TEST_F(ClientMemoryTest, EveryFlippedBitOfItIsAFirstContactAtWorst) {
    publish(1, 1);
    remember();
    const std::string path = memory().folder() + "/heads";
    const Bytes good = read_file(real_filesystem(), path, 1 << 20);
    blobs_.blobs.clear();
    ASSERT_EQ(checked(), Code::tampered);
    for (size_t bit = 0; bit < good.size() * 8; ++bit) {
        Bytes file = good;
        test::flip_bit(file, bit);
        std::filesystem::remove(path);
        write_new_file(real_filesystem(), path, file);
        EXPECT_EQ(checked(), std::nullopt) << bit;
    }
    for (size_t length = 0; length < good.size(); ++length) {
        replace_file(real_filesystem(), path, ByteView(good).first(length));
        EXPECT_EQ(checked(), std::nullopt) << length;
    }
    Bytes lying(good.begin(), good.begin() + 8);
    lying.resize(12, 0xff);
    const Digest sum = sha256(lying);
    lying.insert(lying.end(), sum.bytes.begin(), sum.bytes.end());
    replace_file(real_filesystem(), path, lying);
    EXPECT_EQ(checked(), std::nullopt) << "a count that cannot fit";
    publish(1, 1);
    remember();
    EXPECT_EQ(checked(), std::nullopt);
    blobs_.blobs.clear();
    EXPECT_EQ(checked(), Code::tampered) << "it is whole again";
}

TEST_F(ClientMemoryTest, WriterIdIsMadeOnceAndMadeAnewWhereItIsUnreadable) {
    const WriterId first = memory().writer();
    EXPECT_EQ(memory().writer(), first);
    const std::string path = memory().folder() + "/writer";
    std::set<WriterId> seen{first};
    for (const std::string& bad : {std::string(), std::string("short\n"), std::string(32, 'z') + "\n", std::string(1000, 'a')}) {
        replace_file(real_filesystem(), path, view_of(bad));
        const WriterId writer = memory().writer();
        EXPECT_TRUE(seen.insert(writer).second);
        EXPECT_EQ(memory().writer(), writer);
    }
    EXPECT_TRUE(seen.insert(memory().new_writer()).second);
}

TEST_F(ClientMemoryTest, KeepsRepositoriesApart) {
    publish(1, 1);
    remember();
    const WriterId mine = memory().writer();
    random_bytes(repository_.bytes);
    EXPECT_NE(memory().writer(), mine);
    blobs_.blobs.clear();
    EXPECT_EQ(checked(), std::nullopt);
}

}  // namespace
}  // namespace ingot
