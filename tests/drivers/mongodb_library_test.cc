#include "drivers/mongodb_library.h"

#include <dlfcn.h>
#include <gtest/gtest.h>

namespace ingot {
namespace {

// In a process of its own: whoever ran before in this one may have loaded it.
TEST(MongocLibraryDeathTest, IsLoadedWhenItIsNeededAndNotBefore) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    const auto loaded = [] { return ::dlopen("libmongoc-1.0.so.0", RTLD_NOW | RTLD_NOLOAD) != nullptr; };
    EXPECT_EXIT(
        {
            const bool before = loaded();
            const MongocLibrary& library = mongoc();
            const bool works = library.uri_new_with_error != nullptr && library.collection_insert_many != nullptr;
            ::_exit(!before && works && loaded() ? 0 : 1);
        },
        ::testing::ExitedWithCode(0), "");
}

TEST(MongocLibrary, IsTheSameForAll) { EXPECT_EQ(&mongoc(), &mongoc()); }

}  // namespace
}  // namespace ingot
