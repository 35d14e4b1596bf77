#include "base/error.h"

#include <gtest/gtest.h>

#include <cerrno>

namespace ingot {
namespace {

TEST(Error, GainsContextAndKeepsCodeAndHint) {
    const Error inner(Code::damaged, "a bit is wrong", "look closer");
    const Error outer = inner.within("pack 12");
    EXPECT_STREQ(outer.what(), "pack 12: a bit is wrong");
    EXPECT_EQ(outer.code(), Code::damaged);
    EXPECT_EQ(outer.hint(), "look closer");
    EXPECT_EQ(inner.as(Code::source).code(), Code::source);
}

TEST(Error, SaysWhatToDoAboutAFullDisk) {
    const Error error = Error::from_errno("writing", "/var/x", ENOSPC);
    EXPECT_STREQ(error.what(), "writing /var/x: No space left on device");
    EXPECT_NE(error.hint().find("free some space"), std::string::npos);
    EXPECT_EQ(Error::from_errno("opening", "x", EIO, Code::source).code(), Code::source);
}

TEST(Error, PrintableKeepsTextAndShowsTheRest) {
    EXPECT_EQ(printable("models/\xc3\xa4.bin"), "models/\xc3\xa4.bin");
    EXPECT_EQ(printable("a\nb\x7f"), "a\\x0ab\\x7f");
    EXPECT_EQ(printable("\xff\xc3"), "\\xff\\xc3");
    EXPECT_EQ(printable("\xc0\x80"), "\\xc0\\x80");           // overlong
    EXPECT_EQ(printable("\xed\xa0\x80"), "\\xed\\xa0\\x80");  // a surrogate
    EXPECT_EQ(printable("\xf0\x9f\x98\x80"), "\xf0\x9f\x98\x80");
}

}  // namespace
}  // namespace ingot
