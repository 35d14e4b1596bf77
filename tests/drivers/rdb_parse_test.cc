#include "drivers/rdb_parse.h"

#include "rdb_bytes.h"

namespace ingot {
namespace {

// What is told, as text.
class Teller : public RdbHandler {
public:
    void aux(const std::string& name, const std::string& value) override { out += "aux " + name + "=" + value + "; "; }
    void function(std::string code) override { out += "function " + code + "; "; }
    void module_aux(Bytes raw, bool after) override {
        out += "module " + std::to_string(raw.size()) + (after ? " after; " : " before; ");
    }
    void key(const RdbKey& key, const RdbInput& in) override {
        out += std::to_string(key.db) + " " + key.key + " type " + std::to_string(key.type) + " " + std::to_string(key.expire_ms);
        if (key.idle_s) out += " idle " + std::to_string(*key.idle_s);
        if (key.frequency) out += " frequency " + std::to_string(*key.frequency);
        EXPECT_EQ(in.since(key.value_offset).size(), key.value_bytes);
        out += " " + std::to_string(key.value_bytes) + " bytes; ";
    }
    std::string out;
};

std::string told(const std::string& file, RdbRead* read = nullptr) {
    const RdbBytes bytes = rdb_bytes(file);
    Teller teller;
    const RdbRead got = read_rdb(bytes, teller);
    if (read != nullptr) *read = got;
    return teller.out;
}

const std::string kKey = b(0) + rdb_text("k") + rdb_text("v");

TEST(RdbParse, TellsEveryItem) {
    RdbRead read;
    EXPECT_EQ(told(rdb_file(b(0xfa) + rdb_text("redis-ver") + rdb_text("7.0.15") + b(0xf5) + rdb_text("code") +
                            b(0xf7, 5, 2, 1, 0) + b(0xfe, 3, 0xfb, 2, 1) + kKey + b(0xfc, 1, 0, 0, 0, 0, 0, 0, 0) + kKey +
                            b(0xfd, 2, 0, 0, 0, 0xf8, 9) + kKey + b(0xf9, 7) + kKey + b(0xf4, 1, 2, 3) + b(0xf7, 5, 2, 2, 0)),
                   &read),
              "aux redis-ver=7.0.15; function code; module 5 before; 3 k type 0 -1 2 bytes; 3 k type 0 1 2 bytes; "
              "3 k type 0 2000 idle 9 2 bytes; 3 k type 0 -1 frequency 7 2 bytes; module 5 after; ");
    EXPECT_EQ(read.version, 10);
    EXPECT_EQ(read.magic, "REDIS");
    EXPECT_TRUE(read.has_crc);
    EXPECT_TRUE(read.not_known.empty());
    told(rdb_file(kKey, "VALKEY080"), &read);
    EXPECT_EQ(read.magic, "VALKEY");
    EXPECT_EQ(read.version, 80);
}

TEST(RdbParse, WithoutACrcItIsReadAndThatIsSaid) {
    RdbRead read;
    told("REDIS0010" + kKey + "\xff" + std::string(8, '\0'), &read);
    EXPECT_FALSE(read.has_crc);
    EXPECT_EQ(told("REDIS0004" + kKey + "\xff", &read), "0 k type 0 -1 2 bytes; ");
}

TEST(RdbParse, EveryFlippedBitAndEveryCutIsFound) {
    const std::string good = rdb_file(b(0xfa) + rdb_text("ctime") + b(0xc2, 1, 2, 3, 4) + b(0xfe, 0, 0xfb, 1, 0) +
                                      b(2, 1, 's', 2) + rdb_text("a") + rdb_text("b") + kKey);
    size_t flips = 0;
    size_t not_known = 0;
    // The header's last digits are a version, and any is one.
    for (size_t at = 0; at < good.size(); ++at) {
        for (int bit = 0; bit < 8; ++bit, ++flips) {
            std::string bad = good;
            bad[at] = static_cast<char>(bad[at] ^ (1 << bit));
            try {
                RdbRead read;
                told(bad, &read);
                EXPECT_FALSE(read.not_known.empty()) << "byte " << at << " bit " << bit;
                ++not_known;
            } catch (const Error& error) {
                EXPECT_EQ(error.code(), Code::damaged);
            }
        }
    }
    for (size_t size = 0; size < good.size(); ++size) {
        EXPECT_EQ(error_of([&] { told(good.substr(0, size)); }).code(), Code::damaged) << size;
    }
    std::printf("%zu bits flipped, %zu of them an item that is not known; %zu cuts\n", flips, not_known, good.size());
}

TEST(RdbParse, WhatIsNotKnownEndsTheReading) {
    RdbRead read;
    EXPECT_EQ(told(rdb_file(kKey + b(99) + rdb_text("k") + "what is this"), &read), "0 k type 0 -1 2 bytes; ");
    EXPECT_NE(read.not_known.find("99"), std::string::npos);
}

TEST(RdbParse, WhatIsNoRdbIsDamaged) {
    for (const std::string& text :
         std::vector<std::string>{"", "REDIS", "SQLite format 3", "REDIS00x0\xff", rdb_file(kKey) + "more"}) {
        EXPECT_EQ(error_of([&] { told(text); }).code(), Code::damaged) << text;
    }
}

}  // namespace
}  // namespace ingot
