#include <gtest/gtest.h>

extern "C" int sgemm_(void*, void*, void*, void*, void*, void*, void*, void*, void*, void*, void*, void*, void*);
extern "C" int sgetrf_(void*, void*, void*, void*, void*, void*);

namespace ingot {
namespace {

TEST(FaissBlas, AProductOfMatricesIsFoundWhenItIsCalled) {
    char plain = 'N';
    int two = 2;
    float one = 1, zero = 0;
    float a[] = {1, 2, 3, 4}, b[] = {5, 6, 7, 8}, c[] = {0, 0, 0, 0};  // by columns
    sgemm_(&plain, &plain, &two, &two, &two, &one, a, &two, b, &two, &zero, c, &two);
    EXPECT_EQ(c[0], 23);
    EXPECT_EQ(c[1], 34);
    EXPECT_EQ(c[2], 31);
    EXPECT_EQ(c[3], 46);
}

TEST(FaissBlas, AFactorisationIsFoundToo) {
    int two = 2, info = -1, pivots[2] = {};
    float a[] = {4, 2, 3, 5};
    sgetrf_(&two, &two, a, &two, pivots, &info);
    EXPECT_EQ(info, 0);
    EXPECT_EQ(a[0], 4);
    EXPECT_EQ(a[1], 0.5F);
    EXPECT_EQ(a[3], 3.5F);
}

}  // namespace
}  // namespace ingot
