#include "store/config_file.h"

#include <gtest/gtest.h>

#include "store/hash.h"
#include "tests/store/code_of.h"
#include "tests/store/memory_store.h"

namespace ingot {
namespace {

using test::flip_bit;

RepositoryConfig sample() {
    RepositoryConfig config;
    random_bytes(config.id.bytes);
    config.created = "2026-11-21T08:15:30.123Z";
    config.cut = {1024, 8192, 65'536};
    config.segment_bytes = 1 << 19;
    config.pack_bytes = 8 << 20;
    return config;
}

bool same(const RepositoryConfig& a, const RepositoryConfig& b) {
    return a.id == b.id && a.created == b.created && a.sealed == b.sealed && a.cut.min_bytes == b.cut.min_bytes &&
           a.cut.average_bytes == b.cut.average_bytes && a.cut.max_bytes == b.cut.max_bytes &&
           a.segment_bytes == b.segment_bytes && a.pack_bytes == b.pack_bytes && a.config_id == b.config_id;
}

std::string text(const Bytes& file) { return std::string(text_of(file)); }

// The file with this first line, and a second that fits it.
Bytes with_sum(const std::string& line) {
    const std::string file = line + "\nsha256 " + sha256(view_of(line)).hex() + "\n";
    return {file.begin(), file.end()};
}

// The sample with one piece of its text replaced, and a fitting sum.
Bytes changed(const std::string& from, const std::string& to) {
    RepositoryConfig config = sample();
    std::string line = text(encode_config(config));
    line.resize(line.find('\n'));
    const size_t at = line.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    return with_sum(line.replace(at, from.size(), to));
}

std::optional<Code> decoded(const Bytes& file, std::string* message = nullptr) {
    return code_of([&] { decode_config(file); }, message);
}

TEST(ConfigFile, IsReadBackAsItWasWritten) {
    for (const bool sealed : {true, false}) {
        RepositoryConfig config = sample();
        config.sealed = sealed;
        const Bytes file = encode_config(config);
        EXPECT_TRUE(same(decode_config(file), config));
        EXPECT_EQ(std::ranges::count(file, '\n'), 2);
    }
}

TEST(ConfigFile, NoFlippedBitIsSilentlyAnotherConfig) {
    RepositoryConfig config = sample();
    const Bytes good = encode_config(config);
    size_t damaged = 0;
    for (size_t bit = 0; bit < good.size() * 8; ++bit) {
        Bytes file = good;
        flip_bit(file, bit);
        const auto code = decoded(file);
        if (code) {
            EXPECT_EQ(code, Code::damaged) << "bit " << bit;
            ++damaged;
        } else {
            EXPECT_TRUE(same(decode_config(file), config)) << "bit " << bit;
        }
    }
    std::printf("config bits flipped: %zu, damaged: %zu, silently different: 0\n", good.size() * 8, damaged);
}

TEST(ConfigFile, CutShortOrGrownIsDamaged) {
    RepositoryConfig config = sample();
    const Bytes good = encode_config(config);
    for (size_t length = 0; length < good.size(); ++length)
        EXPECT_EQ(decoded(Bytes(good.begin(), good.begin() + static_cast<ptrdiff_t>(length))), Code::damaged);
    Bytes grown = good;
    grown.push_back('\n');
    EXPECT_EQ(decoded(grown), Code::damaged);
}

TEST(ConfigFile, OfANewerFormatIsRefusedWithAHint) {
    std::string message;
    EXPECT_EQ(decoded(changed("\"format\":1", "\"format\":2"), &message), Code::failed);
    EXPECT_NE(message.find("format 2"), std::string::npos) << message;
    EXPECT_NE(message.find("newer ingot"), std::string::npos) << message;
    // The number decides before all else, whatever a later version means by the rest.
    EXPECT_EQ(decoded(with_sum("{\"format\":9}")), Code::failed);
}

TEST(ConfigFile, ThatNeedsAnUnknownFeatureIsRefusedAndAnOptionalOneIsNot) {
    std::string message;
    EXPECT_EQ(decoded(changed("\"required\":[]", "\"required\":[\"holograms\"]"), &message), Code::failed);
    EXPECT_NE(message.find("holograms"), std::string::npos) << message;
    EXPECT_NE(message.find("newer ingot"), std::string::npos) << message;
    EXPECT_EQ(decoded(changed("\"optional\":[]", "\"optional\":[\"holograms\"]")), std::nullopt);
}

// The sum is not a secret: anyone can make it fit.
TEST(ConfigFile, WithAFittingSumAndImpossibleContentIsDamaged) {
    EXPECT_EQ(decoded(with_sum("")), Code::damaged);
    EXPECT_EQ(decoded(with_sum("[]")), Code::damaged);
    EXPECT_EQ(decoded(with_sum("{}")), Code::damaged);
    EXPECT_EQ(decoded(with_sum("not json")), Code::damaged);
    EXPECT_EQ(decoded(with_sum(std::string(20'000, '['))), Code::damaged);
    EXPECT_EQ(decoded(changed("\"id\":\"", "\"id\":\"00")), Code::damaged);
    EXPECT_EQ(decoded(changed("\"id\":\"", "\"id\":\"zz")), Code::damaged);
    EXPECT_EQ(decoded(changed("\"format\":1", "\"format\":\"one\"")), Code::damaged);
    EXPECT_EQ(decoded(changed("\"required\":[]", "\"required\":[7]")), Code::damaged);
    EXPECT_EQ(decoded(changed("\"encryption\":\"sealed\"", "\"encryption\":\"rot13\"")), Code::damaged);
    EXPECT_EQ(decoded(changed("gear-cdc", "other-cdc")), Code::damaged);
    EXPECT_EQ(decoded(changed("\"average\":8192", "\"average\":8191")), Code::damaged) << "no power of two";
    EXPECT_EQ(decoded(changed("\"min\":1024", "\"min\":16384")), Code::damaged) << "above the average";
    EXPECT_EQ(decoded(changed("\"max\":65536", "\"max\":4096")), Code::damaged) << "below the average";
    EXPECT_EQ(decoded(changed("\"max\":65536", "\"max\":4294967296")), Code::damaged);
    EXPECT_EQ(decoded(changed("\"min\":1024", "\"min\":0")), Code::damaged);
    EXPECT_EQ(decoded(changed("\"min\":1024", "\"min\":-1")), Code::damaged);
    EXPECT_EQ(decoded(changed("\"min\":1024", "\"min\":1024.0")), Code::damaged);
    EXPECT_EQ(decoded(changed("\"min\":1024", "\"min\":6.55e38")), Code::damaged);
    EXPECT_EQ(decoded(changed("\"format\":1", "\"format\":6.55e38")), Code::damaged);
    EXPECT_EQ(decoded(changed("\"segment_bytes\":524288", "\"segment_bytes\":1")), Code::damaged);
    EXPECT_EQ(decoded(changed("\"pack_bytes\":8388608", "\"pack_bytes\":99999999999")), Code::damaged);
}

class LoadConfig : public ::testing::Test {
protected:
    LoadConfig() { store_.blobs["config"] = store_.blobs["config.copy"] = encode_config(config_); }
    RepositoryConfig load() {
        return load_config(store_, [this](const std::string& line) { warnings_.push_back(line); });
    }
    RepositoryConfig config_ = sample();
    test::MemoryStore store_;
    std::vector<std::string> warnings_;
};

TEST_F(LoadConfig, TakesTheGoodCopyAndNamesTheBadOne) {
    EXPECT_TRUE(same(load(), config_));
    EXPECT_TRUE(warnings_.empty());
    for (const char* bad : {"config", "config.copy"}) {
        for (const bool missing : {true, false}) {
            warnings_.clear();
            const Bytes good = store_.blobs.at(bad);
            if (missing)
                store_.blobs.erase(bad);
            else
                flip_bit(store_.blobs.at(bad), 100);
            EXPECT_TRUE(same(load(), config_));
            ASSERT_EQ(warnings_.size(), 1U);
            EXPECT_TRUE(warnings_[0].starts_with(std::string(bad) + ":")) << warnings_[0];
            store_.blobs[bad] = good;
        }
    }
}

TEST_F(LoadConfig, TellsNoRepositoryFromADamagedOne) {
    flip_bit(store_.blobs.at("config"), 100);
    flip_bit(store_.blobs.at("config.copy"), 200);
    EXPECT_EQ(code_of([&] { load(); }), Code::damaged);
    store_.blobs.erase("config");
    EXPECT_EQ(code_of([&] { load(); }), Code::damaged);
    store_.blobs.erase("config.copy");
    EXPECT_EQ(code_of([&] { load(); }), Code::no_repository);
}

TEST_F(LoadConfig, BelievesNoLength) {
    store_.blobs.at("config").resize(10 << 20);
    EXPECT_TRUE(same(load(), config_));
    EXPECT_EQ(warnings_.size(), 1U);
}

}  // namespace
}  // namespace ingot
