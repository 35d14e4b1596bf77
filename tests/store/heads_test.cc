#include "store/heads.h"

#include <gtest/gtest.h>

#include "store/hash.h"
#include "tests/store/code_of.h"
#include "tests/store/memory_store.h"
#include "tests/support/memory_feed.h"

namespace ingot {
namespace {

using test::flip_bit;

class Heads : public ::testing::Test {
protected:
    Heads() {
        random_bytes(repository_.bytes);
        random_bytes(key_);
    }
    static WriterId writer(uint8_t n) {
        WriterId id;
        id.bytes.fill(n);
        return id;
    }
    static RecordName record(uint8_t n, RecordKind kind = RecordKind::manifest) {
        RecordName name{kind, {}};
        name.id.bytes.fill(n);
        return name;
    }
    void publish(const WriterId& who, std::vector<RecordName> added, std::vector<RecordName> removed = {}, bool full = false) {
        WriterState& state = states_[who];
        const Head head = next_head(state, who, std::move(added), std::move(removed), full);
        put(head);
        state.last = head.number;
        state.last_hash = sha256(store_.blobs.at(head_path(who, head.number)));
    }
    void put(const Head& head) { store_.blobs[head_path(head.writer, head.number)] = encode_head(head, repository_, key_); }
    Bytes& file(uint8_t who, uint64_t number) { return store_.blobs.at(head_path(writer(who), number)); }
    HeadState load() { return load_heads(store_, repository_, key_); }
    static std::set<RecordName> set_of(std::initializer_list<uint8_t> numbers) {
        std::set<RecordName> names;
        for (const uint8_t n : numbers) names.insert(record(n));
        return names;
    }
    static bool names(const HeadState& state, const std::string& what) {
        return std::ranges::any_of(state.problems,
                                   [&](const std::string& problem) { return problem.find(what) != std::string::npos; });
    }

    test::MemoryStore store_;
    RepositoryId repository_;
    Bytes key_ = Bytes(32);
    std::map<WriterId, WriterState> states_;
};

TEST_F(Heads, IsReadBackAsItWasWritten) {
    Head head;
    head.full = true;
    head.writer = writer(3);
    head.number = 77;
    head.time_ms = -5;
    head.previous = sha256(view_of("before"));
    head.added = {record(1), record(2, RecordKind::tombstone)};
    head.removed = {record(3, RecordKind::audit)};
    head.live = 9;
    head.live_digest = sha256(view_of("live"));
    const Head read = decode_head(encode_head(head, repository_, key_), repository_, key_);
    EXPECT_EQ(read.full, head.full);
    EXPECT_EQ(read.writer, head.writer);
    EXPECT_EQ(read.number, head.number);
    EXPECT_EQ(read.time_ms, head.time_ms);
    EXPECT_EQ(read.previous, head.previous);
    EXPECT_EQ(read.added, head.added);
    EXPECT_EQ(read.removed, head.removed);
    EXPECT_EQ(read.live, head.live);
    EXPECT_EQ(read.live_digest, head.live_digest);
}

TEST_F(Heads, EveryFlippedBitAndEveryOtherLengthIsDamage) {
    publish(writer(1), {record(1)}, {record(2)});
    const Bytes good = file(1, 1);
    for (size_t bit = 0; bit < good.size() * 8; ++bit) {
        flip_bit(file(1, 1), bit);
        EXPECT_EQ(code_of([&] { decode_head(file(1, 1), repository_, key_); }), Code::damaged);
        EXPECT_EQ(load().problems.size(), 1U) << "bit " << bit;
        EXPECT_TRUE(load().live().empty());
        file(1, 1) = good;
    }
    for (size_t length = 0; length < good.size(); ++length) {
        EXPECT_EQ(code_of([&] { decode_head(ByteView(good).first(length), repository_, key_); }), Code::damaged);
    }
    std::printf("head bits flipped: %zu\n", good.size() * 8);
}

TEST_F(Heads, OpensOnlyWithItsKeyInItsRepository) {
    publish(writer(1), {record(1)});
    RepositoryId other = repository_;
    other.bytes[5] ^= 1;
    EXPECT_EQ(code_of([&] { decode_head(file(1, 1), other, key_); }), Code::damaged);
    Bytes key = key_;
    key[31] ^= 1;
    EXPECT_EQ(code_of([&] { decode_head(file(1, 1), repository_, key); }), Code::damaged);
}

// In a repository without keys anyone can make the MAC fit: what is inside must not be believed either.
TEST_F(Heads, AFittingMacOverImpossibleContentIsDamage) {
    publish(writer(1), {record(1)});
    const Bytes good = file(1, 1);
    const auto forged = [&](size_t at, std::initializer_list<uint8_t> bytes) {
        Bytes body(good.begin(), good.end() - 32);
        std::copy(bytes.begin(), bytes.end(), body.begin() + static_cast<ptrdiff_t>(at));
        const Digest mac = HmacSha256(key_)({body});
        body.insert(body.end(), mac.bytes.begin(), mac.bytes.end());
        return code_of([&] { decode_head(body, repository_, key_); });
    };
    const size_t added = 8 + 2 + 1 + 5 + 16 + 16 + 8 + 8 + 32;
    EXPECT_EQ(forged(0, {'J'}), Code::damaged);
    EXPECT_EQ(forged(8, {2}), Code::damaged) << "version";
    EXPECT_EQ(forged(10, {2}), Code::damaged) << "form";
    EXPECT_EQ(forged(11, {1}), Code::damaged) << "reserved";
    EXPECT_EQ(forged(added, {0xff, 0xff, 0xff, 0xff}), Code::damaged) << "a count that cannot fit";
    EXPECT_EQ(forged(added, {2}), Code::damaged);
    EXPECT_EQ(forged(added, {0}), Code::damaged);
    EXPECT_EQ(forged(added + 4, {0}), Code::damaged) << "kind";
    EXPECT_EQ(forged(added + 4, {5}), Code::damaged) << "kind";
    EXPECT_EQ(forged(added, {1}), std::nullopt);
}

TEST_F(Heads, AddUpOverWritersAndRemovals) {
    publish(writer(1), {record(1), record(2)});
    publish(writer(2), {record(3)}, {record(1)});
    publish(writer(1), {record(4)}, {record(2)});
    const HeadState state = load();
    EXPECT_TRUE(state.problems.empty());
    EXPECT_EQ(state.live(), set_of({3, 4}));
    EXPECT_EQ(state.files, 3U);
    EXPECT_EQ(state.writers.at(writer(1)).last, 2U);
    EXPECT_EQ(state.writers.at(writer(1)).last_hash, sha256(file(1, 2)));
}

TEST_F(Heads, ARemovedRecordStaysRemovedThoughItIsAddedElsewhere) {
    publish(writer(1), {record(1)});
    publish(writer(2), {}, {record(1)});
    publish(writer(3), {record(1)});
    EXPECT_TRUE(load().live().empty());
}

// X07: every gap in a chain is named; the first, the middle and the last but one.
TEST_F(Heads, AMissingHeadIsNamed) {
    for (uint8_t n = 1; n <= 5; ++n) publish(writer(1), {record(n)});
    for (uint64_t gone = 1; gone <= 4; ++gone) {
        const auto saved = store_.blobs.extract(head_path(writer(1), gone));
        EXPECT_TRUE(names(load(), head_path(writer(1), gone) + ": it is missing")) << gone;
        store_.blobs[saved.key()] = saved.mapped();
    }
    EXPECT_TRUE(load().problems.empty());
    // The last one leaves no trace here: the client's memory knows it (I10).
    store_.blobs.erase(head_path(writer(1), 5));
    EXPECT_TRUE(load().problems.empty());
    EXPECT_EQ(load().writers.at(writer(1)).last, 4U);
}

TEST_F(Heads, HeadsUnderEachOthersNamesAreNamed) {
    for (uint8_t n = 1; n <= 3; ++n) publish(writer(1), {record(n)});
    publish(writer(2), {record(9)});
    std::swap(file(1, 1), file(1, 2));
    EXPECT_TRUE(names(load(), head_path(writer(1), 1)));
    EXPECT_TRUE(names(load(), head_path(writer(1), 2)));
    std::swap(file(1, 1), file(1, 2));
    std::swap(file(1, 1), file(2, 1));
    EXPECT_TRUE(names(load(), head_path(writer(1), 1)));
    EXPECT_TRUE(names(load(), head_path(writer(2), 1)));
}

TEST_F(Heads, AChainThatForksIsNamed) {
    publish(writer(1), {record(1)});
    const WriterState at_one = states_[writer(1)];
    publish(writer(1), {record(2)});
    const Bytes second = file(1, 2);
    publish(writer(1), {record(3)});
    states_[writer(1)] = at_one;
    publish(writer(1), {record(7)});  // another head 2, whole and well sealed
    EXPECT_TRUE(names(load(), head_path(writer(1), 3) + ": it does not follow"));
    file(1, 2) = second;
    EXPECT_TRUE(load().problems.empty());
}

TEST_F(Heads, RecordsThatDoNotAddUpAreNamed) {
    WriterState state;
    Head head = next_head(state, writer(1), {record(1)}, {}, false);
    head.live_digest.bytes[0] ^= 1;
    put(head);
    EXPECT_TRUE(names(load(), "do not add up"));
    head.live_digest.bytes[0] ^= 1;
    head.live = 2;
    put(head);
    EXPECT_TRUE(names(load(), "do not add up"));
}

TEST_F(Heads, AFullHeadStartsAnewAndTheEarlierOnesMayGo) {
    publish(writer(1), {record(1), record(2)});
    publish(writer(1), {record(3)}, {record(1)});
    publish(writer(1), {record(4)}, {}, true);
    publish(writer(1), {record(5)});
    EXPECT_EQ(load().live(), set_of({2, 3, 4, 5}));
    flip_bit(file(1, 1), 300);
    EXPECT_TRUE(load().problems.empty());
    store_.blobs.erase(head_path(writer(1), 1));
    store_.blobs.erase(head_path(writer(1), 2));
    const HeadState state = load();
    EXPECT_TRUE(state.problems.empty());
    EXPECT_EQ(state.live(), set_of({2, 3, 4, 5}));
    EXPECT_TRUE(state.writers.at(writer(1)).removed.contains(record(1)));
}

TEST_F(Heads, DamageBeforeAFullHeadIsHealedAndAfterItIsNot) {
    publish(writer(1), {record(1)});
    publish(writer(1), {}, {}, true);
    publish(writer(1), {record(3)});
    flip_bit(file(1, 2), 500);
    const HeadState state = load();
    EXPECT_TRUE(names(state, head_path(writer(1), 2)));
    EXPECT_TRUE(state.live().contains(record(1)));
    EXPECT_TRUE(state.live().contains(record(3)));
}

// A hostile folder: names of any number and none, and no time or memory spent on the gaps between them.
TEST_F(Heads, NamesOfAnyNumberCostNothing) {
    publish(writer(1), {record(1)});
    store_.blobs["heads/" + writer(1).hex() + "/9999999999"] = file(1, 1);
    const HeadState state = load();
    EXPECT_LE(state.problems.size(), 2U);
    EXPECT_TRUE(names(state, "9999999999"));
    for (const char* name : {"heads/x", "heads/", "heads/0/0000000001", "heads/ABCDEF0123456789ABCDEF0123456789/0000000001",
                             "heads/00000000000000000000000000000000/1", "heads/00000000000000000000000000000000/00000000x1",
                             "heads/00000000000000000000000000000000/a/0000000001"}) {
        store_.blobs[name] = Bytes(10);
    }
    EXPECT_EQ(load().writers.size(), 1U);
}

TEST_F(Heads, PathsHaveTenDigits) { EXPECT_EQ(head_path(writer(0xab), 12), "heads/abababababababababababababababab/0000000012"); }

}  // namespace
}  // namespace ingot
