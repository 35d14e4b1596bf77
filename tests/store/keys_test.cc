#include "store/keys.h"

#include <gtest/gtest.h>

#include <random>

#include "tests/store/code_of.h"
#include "tests/store/memory_store.h"
#include "tests/support/memory_feed.h"

namespace ingot {
namespace {

using test::flip_bit;
using test::noise;

Credentials key_file(uint64_t seed) {
    Credentials credentials;
    credentials.key_file = Secret::copy_of(noise(32, seed));
    return credentials;
}

Credentials passphrase(std::string_view text) {
    Credentials credentials;
    credentials.passphrase = Secret::copy_of(text);
    return credentials;
}

InitOptions cheap(const std::string& label = "first") {
    InitOptions options;
    options.label = label;
    options.kdf_passes = 1;
    options.kdf_memory_kib = 8 << 10;
    return options;
}

// Where the fields of a slot file lie, with the label "first".
constexpr size_t kKind = 10, kName = 12, kLabel = 20, kPasses = 25, kMemory = 29, kSalt = 33, kEnd = 33 + 16 + 24 + 32;

class Keys : public ::testing::Test {
protected:
    Keys() { encode_config(config_); }
    static RepositoryConfig made() {
        RepositoryConfig config;
        random_bytes(config.id.bytes);
        return config;
    }
    EncodedSlot slot(const Credentials& credentials) const { return encode_slot(keys_, credentials, config_, cheap()); }
    bool opens(const Bytes& file, const std::string& name, const Credentials& credentials) const {
        const auto ring = open_slot(file, name, config_, credentials);
        if (ring && !same_secret(ring->encode().view(), keys_.encode().view())) throw std::logic_error("other keys came out");
        return ring.has_value();
    }
    // Someone who writes to the storage can make the sum fit.
    static Bytes with_sum(Bytes file) {
        const Digest sum = sha256(ByteView(file).first(file.size() - 32));
        std::copy(sum.bytes.begin(), sum.bytes.end(), file.end() - 32);
        return file;
    }
    static Bytes with_u32(Bytes file, size_t at, uint32_t value) {
        for (size_t i = 0; i < 4; ++i) file[at + i] = static_cast<uint8_t>(value >> (8 * i));
        return with_sum(std::move(file));
    }

    RepositoryConfig config_ = made();
    KeyRing keys_ = KeyRing::generate();
    test::MemoryStore store_;
};

TEST_F(Keys, SlotGivesTheKeysBack) {
    for (const bool by_passphrase : {true, false}) {
        const Credentials credentials = by_passphrase ? passphrase("correct horse") : key_file(1);
        const EncodedSlot made = slot(credentials);
        EXPECT_EQ(made.name.size(), 8U);
        EXPECT_TRUE(opens(made.file, made.name, credentials));
    }
}

// X11, and C08: a wrong secret and a damaged slot are told apart.
TEST_F(Keys, WrongSecretIsNoDamage) {
    const EncodedSlot file = slot(key_file(1)), phrase = slot(passphrase("correct horse"));
    EXPECT_FALSE(opens(file.file, file.name, key_file(2)));
    EXPECT_FALSE(opens(file.file, file.name, passphrase("correct horse")));
    EXPECT_FALSE(opens(phrase.file, phrase.name, passphrase("correct hors")));
    EXPECT_FALSE(opens(phrase.file, phrase.name, key_file(1)));
    EXPECT_FALSE(opens(phrase.file, phrase.name, {}));
}

TEST_F(Keys, EveryFlippedBitOfAKeyFileSlotIsDamage) {
    const EncodedSlot made = slot(key_file(1));
    size_t refused = 0;
    for (size_t bit = 0; bit < made.file.size() * 8; ++bit) {
        Bytes file = made.file;
        flip_bit(file, bit);
        EXPECT_EQ(code_of([&] { opens(file, made.name, key_file(1)); }), Code::damaged) << "bit " << bit;
        if (bit / 8 >= made.file.size() - 32) continue;
        // With a sum that fits: damage, or a slot that does not open with this key; never other keys.
        bool opened = false;
        const auto code = code_of([&] { opened = opens(with_sum(file), made.name, key_file(1)); });
        EXPECT_TRUE(!code || code == Code::damaged) << "bit " << bit;
        EXPECT_FALSE(opened) << "bit " << bit;
        ++refused;
    }
    for (size_t length = 0; length < made.file.size(); ++length) {
        Bytes file(made.file.begin(), made.file.begin() + static_cast<ptrdiff_t>(length));
        EXPECT_EQ(code_of([&] { opens(file, made.name, key_file(1)); }), Code::damaged);
        if (length < 32) continue;
        EXPECT_EQ(code_of([&] { opens(with_sum(file), made.name, key_file(1)); }), Code::damaged) << "cut to " << length;
    }
    std::printf("key-file slot bits flipped: %zu, and %zu under a fitting sum\n", made.file.size() * 8, refused);
}

TEST_F(Keys, FlippedBitsOfAPassphraseSlotAreDamage) {
    const Credentials credentials = passphrase("correct horse");
    const EncodedSlot made = slot(credentials);
    std::mt19937_64 random(1);
    for (int i = 0; i < 200; ++i) {
        Bytes file = made.file;
        const size_t bit = random() % (file.size() * 8);
        flip_bit(file, bit);
        EXPECT_EQ(code_of([&] { opens(file, made.name, credentials); }), Code::damaged) << "bit " << bit;
        // Passes and memory have a test of their own: within their limits a flip may ask for two gigabytes, and get them.
        if ((bit / 8 >= kPasses && bit / 8 < kSalt) || bit / 8 >= file.size() - 32) continue;
        bool opened = false;
        const auto code = code_of([&] { opened = opens(with_sum(file), made.name, credentials); });
        EXPECT_TRUE(!code || code == Code::damaged) << "bit " << bit;
        EXPECT_FALSE(opened) << "bit " << bit;
    }
    std::printf("passphrase slot bits flipped: 200\n");
}

// X02: a slot that asks for too little or for the whole machine is refused before Argon2id runs; each of these would take
// longer than the suite, or fail with another code for want of memory.
TEST_F(Keys, KdfParametersOutOfRangeAreRefusedBeforeTheyAreRun) {
    const Credentials credentials = passphrase("correct horse");
    const EncodedSlot made = slot(credentials);
    for (const uint32_t passes : {0U, 17U, 1000U, UINT32_MAX}) {
        EXPECT_EQ(code_of([&] { opens(with_u32(made.file, kPasses, passes), made.name, credentials); }), Code::damaged) << passes;
    }
    for (const uint32_t kib : {0U, 1U, (8U << 10) - 1, (2U << 20) + 1, 64U << 20, UINT32_MAX}) {
        EXPECT_EQ(code_of([&] { opens(with_u32(made.file, kMemory, kib), made.name, credentials); }), Code::damaged) << kib;
    }
    InitOptions weak = cheap();
    weak.kdf_memory_kib = 1024;
    EXPECT_EQ(code_of([&] { encode_slot(keys_, credentials, config_, weak); }), Code::damaged);
    EXPECT_FALSE(opens(with_u32(made.file, kPasses, 2), made.name, credentials))
        << "other parameters within the limits give another key";
}

TEST_F(Keys, SlotUnderAnotherNameIsDamage) {
    const EncodedSlot one = slot(key_file(1)), two = slot(key_file(2));
    EXPECT_EQ(code_of([&] { opens(one.file, two.name, key_file(1)); }), Code::damaged);
    Bytes renamed = one.file;
    const Bytes name = from_hex(two.name);
    std::copy(name.begin(), name.end(), renamed.begin() + kName);
    EXPECT_EQ(code_of([&] { opens(with_sum(renamed), two.name, key_file(1)); }), Code::damaged) << "the name is authenticated";
}

TEST_F(Keys, LabelIsAuthenticated) {
    const EncodedSlot made = slot(key_file(1));
    Bytes file = made.file;
    ASSERT_EQ(text_of(ByteView(file).subspan(kLabel, 5)), "first");
    file[kLabel] = 'F';
    EXPECT_EQ(code_of([&] { opens(with_sum(file), made.name, key_file(1)); }), Code::damaged);
}

// A config that was forged, even by one byte, opens nothing.
TEST_F(Keys, SlotIsBoundToItsConfig) {
    const EncodedSlot made = slot(key_file(1));
    RepositoryConfig other = config_;
    other.pack_bytes += 4096;
    encode_config(other);
    ASSERT_NE(other.config_id, config_.config_id);
    EXPECT_EQ(open_slot(made.file, made.name, other, key_file(1)).has_value(), false);
    EXPECT_EQ(other.id, config_.id);
}

// The bundle of one slot under the commitment of another: refused though the commitment fits the secret.
TEST_F(Keys, BundleOfAnotherSlotIsDamage) {
    const EncodedSlot one = slot(key_file(1)), two = slot(key_file(2));
    Bytes mixed = one.file;
    std::copy(two.file.begin() + kEnd, two.file.end(), mixed.begin() + kEnd);
    EXPECT_EQ(code_of([&] { opens(with_sum(mixed), one.name, key_file(1)); }), Code::damaged);
}

TEST_F(Keys, UnusableCredentialsAreRefused) {
    EXPECT_EQ(code_of([&] { slot(passphrase("")); }), Code::usage);
    EXPECT_EQ(code_of([&] { slot({}); }), Code::usage);
    Credentials both = key_file(1);
    both.passphrase = Secret::copy_of("x");
    EXPECT_EQ(code_of([&] { slot(both); }), Code::usage);
    EXPECT_EQ(code_of([&] { encode_slot(keys_, key_file(1), config_, cheap(std::string(65, 'x'))); }), Code::usage);
    EXPECT_EQ(code_of([&] { encode_slot(keys_, key_file(1), config_, cheap(std::string(64, 'x'))); }), std::nullopt);
}

class Unlock : public Keys {
protected:
    Unlock() {
        put_slot(store_, one_);
        put_slot(store_, two_);
    }
    std::string unlock_with(const Credentials& credentials) {
        std::string opened;
        warnings_.clear();
        const KeyRing ring = unlock(
            store_, config_, credentials, [this](const std::string& line) { warnings_.push_back(line); }, &opened);
        EXPECT_TRUE(same_secret(ring.encode().view(), keys_.encode().view()));
        return opened;
    }
    Bytes& copy(const EncodedSlot& slot, const char* which) { return store_.blobs.at("keys/" + slot.name + "." + which); }
    EncodedSlot one_ = slot(key_file(1)), two_ = slot(passphrase("correct horse"));
    std::vector<std::string> warnings_;
};

TEST_F(Unlock, FindsTheSlotThatFits) {
    EXPECT_EQ(unlock_with(key_file(1)), one_.name);
    EXPECT_EQ(unlock_with(passphrase("correct horse")), two_.name);
    EXPECT_EQ(code_of([&] { unlock_with(key_file(3)); }), Code::wrong_key);
    EXPECT_EQ(code_of([&] { unlock_with(passphrase("wrong")); }), Code::wrong_key);
    EXPECT_EQ(code_of([&] { unlock_with({}); }), Code::wrong_key);
}

TEST_F(Unlock, TakesTheSecondCopyAndSaysSo) {
    flip_bit(copy(one_, "a"), 77);
    EXPECT_EQ(unlock_with(key_file(1)), one_.name);
    store_.blobs.erase("keys/" + one_.name + ".a");
    EXPECT_EQ(unlock_with(key_file(1)), one_.name);
    ASSERT_EQ(warnings_.size(), 1U);
    EXPECT_NE(warnings_[0].find("keys/" + one_.name + ".a"), std::string::npos);
    EXPECT_EQ(list_slots(store_).size(), 2U);
}

TEST_F(Unlock, TellsDamagedSlotsFromAWrongKey) {
    for (const char* which : {"a", "b"}) flip_bit(copy(one_, which), 77);
    EXPECT_EQ(code_of([&] { unlock_with(key_file(1)); }), Code::wrong_key) << "another slot can be read";
    for (const char* which : {"a", "b"}) flip_bit(copy(two_, which), 77);
    EXPECT_EQ(code_of([&] { unlock_with(key_file(1)); }), Code::damaged);
    for (const KeySlot& listed : list_slots(store_)) {
        EXPECT_TRUE(listed.kind.empty());
        EXPECT_FALSE(listed.problem.empty());
    }
    store_.blobs.clear();
    EXPECT_EQ(code_of([&] { unlock_with(key_file(1)); }), Code::damaged);
}

TEST_F(Unlock, ListsWhatCanBeReadWithoutAKey) {
    for (const KeySlot& listed : list_slots(store_)) {
        EXPECT_EQ(listed.label, "first");
        EXPECT_EQ(listed.kind, listed.name == one_.name ? "key file" : "passphrase");
        EXPECT_TRUE(listed.problem.empty());
    }
}

TEST_F(Unlock, NeverOverwritesASlot) {
    EncodedSlot same = one_;
    same.file = two_.file;
    EXPECT_EQ(code_of([&] { put_slot(store_, same); }), Code::failed);
    EXPECT_EQ(copy(one_, "a"), one_.file);
}

TEST(KeyRing, RefusesImpossibleBundles) {
    const auto bundle = [](std::initializer_list<uint32_t> epochs) {
        Encoder out;
        out.raw(Bytes(128)).u32(static_cast<uint32_t>(epochs.size()));
        for (const uint32_t epoch : epochs) out.u32(epoch).raw(Bytes(32));
        return out.take();
    };
    EXPECT_EQ(code_of([&] { KeyRing::decode(bundle({1, 2, 9})); }), std::nullopt);
    EXPECT_EQ(KeyRing::decode(bundle({1, 9, 2})).newest_epoch(), 9U);
    EXPECT_EQ(code_of([&] { KeyRing::decode(bundle({})); }), Code::damaged);
    EXPECT_EQ(code_of([&] { KeyRing::decode(bundle({0})); }), Code::damaged);
    EXPECT_EQ(code_of([&] { KeyRing::decode(bundle({1, 1})); }), Code::damaged);
    EXPECT_EQ(code_of([&] { KeyRing::decode(Encoder().raw(Bytes(128)).u32(UINT32_MAX).take()); }), Code::damaged);
    const KeyRing ring = KeyRing::generate();
    EXPECT_EQ(code_of([&] { ring.pack_sealer(Seal::aes256_gcm, 2, {}, {}); }), Code::damaged) << "an epoch that is not there";
    EXPECT_EQ(code_of([&] { ring.pack_sealer(Seal::none, 1, {}, {}); }), Code::damaged)
        << "nothing unsealed in a sealed repository";
    EXPECT_FALSE(KeyRing::plain().sealed());
}

}  // namespace
}  // namespace ingot
