#include "drivers/folder_names.h"

#include <fcntl.h>

#include "tests/drivers/test_folder.h"

namespace ingot {
namespace {

TEST(FolderNames, AreSortedAsBytes) {
    const TestFolder scratch;
    for (const char* name : {"b", "a b", "a", "\xff", "Z", "a\nb"}) put(scratch / name, "");
    const int fd = ::open(scratch.path().c_str(), O_RDONLY | O_DIRECTORY);
    FolderNames names;
    ASSERT_EQ(names.read(fd), 0);
    std::vector<std::string> read;
    for (size_t i = 0; i < names.size(); ++i) read.emplace_back(names.at(i));
    EXPECT_EQ(read, (std::vector<std::string>{"Z", "a", "a\nb", "a b", "b", "\xff"}));

    const uint64_t digest = names.digest();
    ASSERT_EQ(names.read(fd), 0);  // again from the start
    EXPECT_EQ(names.digest(), digest);
    put(scratch / "c", "");
    ASSERT_EQ(names.read(fd), 0);
    EXPECT_NE(names.digest(), digest);
    ::close(fd);
}

TEST(FolderNames, WhatIsNoFolderIsAnErrorNumber) {
    const TestFolder scratch;
    put(scratch / "f", "");
    const int fd = ::open((scratch / "f").c_str(), O_RDONLY);
    FolderNames names;
    EXPECT_EQ(names.read(fd), ENOTDIR);
    ::close(fd);
}

}  // namespace
}  // namespace ingot
