#include "base/spool.h"

#include <gtest/gtest.h>

#include <fstream>

#include "base/error.h"
#include "tests/base/temp_dir.h"

namespace ingot {
namespace {

TEST(Spool, HoldsWhatWasWrittenAndHasNoName) {
    const TempDir dir;
    Spool spool(dir.path());
    spool.append(view_of("hello "));
    spool.append(view_of("world"));
    spool.write_at(0, view_of("J"));
    EXPECT_EQ(spool.size(), 11u);
    Bytes buffer(20);
    EXPECT_EQ(spool.read_at(0, buffer), 11u);
    EXPECT_EQ(text_of(ByteView(buffer).first(11)), "Jello world");
    EXPECT_EQ(spool.read_at(11, buffer), 0u);
    bool any = false;
    real_filesystem().list(dir.path(), [&](const std::string&) { any = true; });
    EXPECT_FALSE(any);
}

TEST(Spool, CanBeOpenedByPathWhileItLives) {
    const TempDir dir;
    Spool spool(dir.path());
    spool.append(view_of("through the path"));
    Spool moved = std::move(spool);
    std::ifstream in(moved.path());
    std::string text;
    std::getline(in, text);
    EXPECT_EQ(text, "through the path");
}

TEST(Spool, NamesAFolderThatIsNotThere) {
    try {
        Spool spool("/nonexistent/folder");
        FAIL();
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), Code::failed);
        EXPECT_NE(std::string(error.what()).find("/nonexistent/folder"), std::string::npos);
    }
}

}  // namespace
}  // namespace ingot
