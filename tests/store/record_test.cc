#include "store/record.h"

#include <gtest/gtest.h>

#include "store/hash.h"
#include "tests/store/code_of.h"
#include "tests/store/memory_store.h"
#include "tests/support/memory_feed.h"

namespace ingot {
namespace {

using test::flip_bit;
using test::prose;

constexpr std::array kKinds = {RecordKind::manifest, RecordKind::attestation, RecordKind::audit, RecordKind::tombstone};

RepositoryId some_repository(uint8_t n = 1) {
    RepositoryId id;
    id.bytes[0] = n;
    return id;
}

// A record under the name its bytes ask for: what someone who writes to the storage can make.
RecordName renamed(RecordKind kind, const Bytes& file) { return {kind, RecordId::from(sha256(file).view())}; }

TEST(Record, IsReadBackAsItWasWritten) {
    for (const bool sealed : {true, false}) {
        const KeyRing keys = sealed ? KeyRing::generate() : KeyRing::plain();
        for (const RecordKind kind : kKinds) {
            for (const size_t size : {0, 1, 1000, 1'000'000}) {
                const Bytes plain = prose(size, size);
                const EncodedRecord record = encode_record(kind, plain, keys, some_repository());
                EXPECT_EQ(record.name.kind, kind);
                EXPECT_EQ(decode_record(record.name, record.file, keys, some_repository()), plain);
            }
        }
    }
}

TEST(Record, IsDamagedByEveryFlippedBitAndEveryOtherLength) {
    const KeyRing keys = KeyRing::generate();
    const EncodedRecord record = encode_record(RecordKind::manifest, prose(60, 1), keys, some_repository());
    for (size_t bit = 0; bit < record.file.size() * 8; ++bit) {
        Bytes file = record.file;
        flip_bit(file, bit);
        EXPECT_EQ(code_of([&] { decode_record(record.name, file, keys, some_repository()); }), Code::damaged);
        EXPECT_EQ(code_of([&] { decode_record(renamed(RecordKind::manifest, file), file, keys, some_repository()); }),
                  Code::damaged)
            << "renamed to fit, bit " << bit;
    }
    for (size_t length = 0; length <= record.file.size() + 1; ++length) {
        Bytes file = record.file;
        file.resize(length);
        if (length == record.file.size()) continue;
        EXPECT_EQ(code_of([&] { decode_record(record.name, file, keys, some_repository()); }), Code::damaged);
        EXPECT_EQ(code_of([&] { decode_record(renamed(RecordKind::manifest, file), file, keys, some_repository()); }),
                  Code::damaged);
    }
    std::printf("record bits flipped: %zu, twice each\n", record.file.size() * 8);
}

// X04: an attestation is no manifest, whatever folder it lies in.
TEST(Record, OfOneKindIsNeverTakenForAnother) {
    for (const bool sealed : {true, false}) {
        const KeyRing keys = sealed ? KeyRing::generate() : KeyRing::plain();
        for (const RecordKind kind : kKinds) {
            const EncodedRecord record = encode_record(kind, prose(60, 1), keys, some_repository());
            for (const RecordKind other : kKinds) {
                if (other == kind) continue;
                EXPECT_EQ(code_of([&] {
                              decode_record({other, record.name.id}, record.file, keys, some_repository());
                          }),
                          Code::damaged);
                Bytes file = record.file;
                file[10] = static_cast<uint8_t>(other);
                if (sealed) {
                    EXPECT_EQ(code_of([&] { decode_record(renamed(other, file), file, keys, some_repository()); }),
                              Code::damaged);
                }
            }
        }
    }
}

TEST(Record, OpensOnlyInItsRepositoryAndWithItsKeys) {
    const KeyRing keys = KeyRing::generate(), others = KeyRing::generate();
    const EncodedRecord record = encode_record(RecordKind::manifest, prose(60, 1), keys, some_repository());
    EXPECT_EQ(code_of([&] { decode_record(record.name, record.file, keys, some_repository(2)); }), Code::damaged);
    EXPECT_EQ(code_of([&] { decode_record(record.name, record.file, others, some_repository()); }), Code::damaged);
    const EncodedRecord plain = encode_record(RecordKind::manifest, prose(60, 1), KeyRing::plain(), some_repository());
    EXPECT_EQ(code_of([&] { decode_record(plain.name, plain.file, keys, some_repository()); }), Code::damaged)
        << "unsealed in a sealed repository";
}

TEST(Record, HasANameOfItsOwnThoughItSaysTheSame) {
    const KeyRing keys = KeyRing::generate();
    const auto one = encode_record(RecordKind::manifest, prose(60, 1), keys, some_repository());
    const auto two = encode_record(RecordKind::manifest, prose(60, 1), keys, some_repository());
    EXPECT_NE(one.name, two.name);
    EXPECT_FALSE(std::equal(one.file.end() - 60, one.file.end(), two.file.end() - 60)) << "the same keystream twice";
}

TEST(Record, OfMoreThanTheLimitIsRefused) {
    EXPECT_EQ(code_of([] { encode_record(RecordKind::manifest, Bytes(kRecordLimitBytes), KeyRing::plain(), some_repository()); }),
              Code::failed);
}

TEST(Record, PathsAreExactlyThoseOfTheFormat) {
    for (const RecordKind kind : kKinds) {
        RecordName name{kind, {}};
        random_bytes(name.id.bytes);
        EXPECT_EQ(record_from_path(record_path(name)), name);
        EXPECT_EQ(record_path(name), std::string("records/") + folder_of(kind) + "/" + name.id.hex());
    }
    const std::string hex(64, 'a');
    for (const std::string& bad : {std::string(), "records/manifest/" + hex.substr(1), "records/manifest/" + hex + "a",
                                   "records/golden/" + hex, "records/manifest/" + std::string(64, 'A'), "records/" + hex,
                                   "/records/manifest/" + hex, "records/manifest//" + hex.substr(1)}) {
        EXPECT_EQ(record_from_path(bad), std::nullopt) << bad;
    }
}

}  // namespace
}  // namespace ingot
