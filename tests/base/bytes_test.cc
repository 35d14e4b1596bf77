#include "base/bytes.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace ingot {
namespace {

template <class Work>
Code code_of(const Work& work) {
    try {
        work();
    } catch (const Error& error) {
        return error.code();
    }
    return Code::interrupted;  // no error
}

TEST(Bytes, HexadecimalThereAndBack) {
    EXPECT_EQ(to_hex(Bytes{0x00, 0x7f, 0xff}), "007fff");
    EXPECT_EQ(from_hex("007fFF"), (Bytes{0x00, 0x7f, 0xff}));
    EXPECT_EQ(code_of([] { from_hex("0"); }), Code::usage);
    EXPECT_EQ(code_of([] { from_hex("0g"); }), Code::usage);
}

TEST(Bytes, NamesHaveTheirLengthOrAreRefused) {
    EXPECT_EQ(Digest::from(Bytes(32, 7)).hex().size(), 64u);
    EXPECT_EQ(code_of([] { Digest::from(from_hex("0011")); }), Code::damaged);
}

TEST(Codec, IsLittleEndianAndComesBack) {
    Encoder out;
    out.u8(1).u16(0x0302).u32(0x07060504).u64(0x0f0e0d0c0b0a0908).i64(-2).prefixed("text").raw("!");
    EXPECT_EQ(to_hex(out.bytes()).substr(0, 30), "0102030405060708090a0b0c0d0e0f");
    Decoder in(out.bytes(), "a test");
    EXPECT_EQ(in.u8(), 1);
    EXPECT_EQ(in.u16(), 0x0302);
    EXPECT_EQ(in.u32(), 0x07060504u);
    EXPECT_EQ(in.u64(), 0x0f0e0d0c0b0a0908u);
    EXPECT_EQ(in.i64(), -2);
    EXPECT_EQ(in.prefixed_text(10), "text");
    in.expect("!");
    in.finish();
}

TEST(Codec, EveryLieIsDamage) {
    const Bytes four(4, 0xff);
    EXPECT_EQ(code_of([&] { Decoder(four, "x").u64(); }), Code::damaged);
    EXPECT_EQ(code_of([&] { Decoder(four, "x").prefixed(100); }), Code::damaged);
    EXPECT_EQ(code_of([&] { Decoder(four, "x").prefixed(SIZE_MAX); }), Code::damaged);
    EXPECT_EQ(code_of([&] { Decoder(four, "x").count(1); }), Code::damaged);
    EXPECT_EQ(code_of([&] { Decoder(four, "x").expect("abcd"); }), Code::damaged);
    EXPECT_EQ(code_of([&] { Decoder(four, "x").expect_zeros(4); }), Code::damaged);
    EXPECT_EQ(code_of([&] { Decoder(four, "x").finish(); }), Code::damaged);
}

}  // namespace
}  // namespace ingot
