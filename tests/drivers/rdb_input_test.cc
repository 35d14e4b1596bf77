#include "drivers/rdb_input.h"

#include "rdb_bytes.h"

namespace ingot {
namespace {

std::string read_string(const std::string& text) {
    const RdbBytes bytes = rdb_bytes(text);
    RdbInput in(bytes, 0, bytes.size);
    std::string out = in.string();
    EXPECT_EQ(in.left(), 0u);
    RdbInput again(bytes, 0, bytes.size);
    again.skip_string();
    EXPECT_EQ(again.left(), 0u);
    return out;
}

TEST(RdbInput, ReadsLengthsInAllTheirForms) {
    for (const uint64_t value : {0ull, 1ull, 63ull, 64ull, 16383ull, 16384ull, 0xffffffffull, 0x100000000ull, ~0ull}) {
        Bytes out;
        put_rdb_length(out, value);
        const std::string text(text_of(out));
        const RdbBytes bytes = rdb_bytes(text);
        RdbInput in(bytes, 0, bytes.size);
        EXPECT_EQ(in.length(), value);
        EXPECT_EQ(in.left(), 0u);
    }
}

TEST(RdbInput, ReadsStringsAsTheyAreMeant) {
    EXPECT_EQ(read_string(rdb_text("abc")), "abc");
    EXPECT_EQ(read_string(rdb_text(std::string(70'000, 'x'))), std::string(70'000, 'x'));
    EXPECT_EQ(read_string(b(0xc0, 0xff)), "-1");
    EXPECT_EQ(read_string(b(0xc1, 0x00, 0x80)), "-32768");
    EXPECT_EQ(read_string(b(0xc2, 0xff, 0xff, 0xff, 0x7f)), "2147483647");
    // LZF: one literal, then a match of nine at a distance of one.
    EXPECT_EQ(read_string(b(0xc3, 5, 10, 0, 'a', 0xe0, 0, 0)), "aaaaaaaaaa");
}

TEST(RdbInput, NothingIsBelievedThatCannotBe) {
    const std::vector<std::string> bad = {
        "",
        b(0x05, 'a'),                                             // longer than the rest
        b(0x81, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff),  // 2^64 - 1 bytes
        b(0x90),                                                  // no length begins so
        b(0xc4),                                                  // no string
        b(0xc1, 0),                                               // half an integer
        b(0xc3, 1, 0x7f, 0xff, 0),                                // a byte that claims 16 thousand
        b(0xc3, 3, 3, 0x20, 5, 0),                                // a match before the beginning
        b(0xc3, 2, 3, 2, 'a'),                                    // literals that are not there
        b(0xc3, 4, 9, 0, 'a', 0xe0, 0),                           // too few
    };
    for (const std::string& text : bad) {
        const RdbBytes bytes = rdb_bytes(text);
        EXPECT_EQ(error_of([&] { RdbInput(bytes, 0, bytes.size).string(); }).code(), Code::damaged) << printable(text);
    }
}

TEST(RdbInput, KnowsItsCrcAndWhatItReadAcrossBuffers) {
    std::string text;
    while (text.size() < 1'000'000) text += "some bytes " + std::to_string(text.size());
    const RdbBytes bytes = rdb_bytes(text);
    RdbInput in(bytes, 0, bytes.size);
    in.skip(300'000);
    EXPECT_EQ(in.crc(), rdb_crc(0, view_of(text).first(300'000)));
    in.skip(400'001);
    EXPECT_EQ(in.crc(), rdb_crc(0, view_of(text).first(700'001)));
    EXPECT_EQ(text_of(in.since(700'000)), text.substr(700'000, 1));
    EXPECT_EQ(text_of(in.since(100'000)), text.substr(100'000, 600'001));
    EXPECT_EQ(in.offset(), 700'001u);
    EXPECT_EQ(error_of([&] { in.skip(500'000); }).code(), Code::damaged);
}

}  // namespace
}  // namespace ingot
