#include "base/read_ahead.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <vector>

namespace ingot::test {
namespace {

constexpr size_t kBytes = 24 << 20;

// A file whose pages are on the medium and not in memory.
class ReadAheadTest : public ::testing::Test {
protected:
    void SetUp() override {
        std::string name = "/var/tmp/ingot-test-XXXXXX";  // on a medium: TempDir lies in memory
        fd_ = ::mkstemp(name.data());
        ASSERT_GE(fd_, 0);
        ::unlink(name.c_str());
        const std::vector<char> bytes(kBytes, 'x');
        ASSERT_EQ(::write(fd_, bytes.data(), bytes.size()), static_cast<ssize_t>(kBytes));
        ASSERT_EQ(::fsync(fd_), 0);
        ASSERT_EQ(::posix_fadvise(fd_, 0, 0, POSIX_FADV_DONTNEED), 0);
    }
    void TearDown() override { ::close(fd_); }

    size_t pages_in_memory() const {
        void* const map = ::mmap(nullptr, kBytes, PROT_READ, MAP_SHARED, fd_, 0);
        const size_t page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
        std::vector<unsigned char> pages(kBytes / page);
        size_t count = 0;
        if (::mincore(map, kBytes, pages.data()) == 0) {
            for (const unsigned char state : pages) count += state & 1;
        }
        ::munmap(map, kBytes);
        return count;
    }

    int fd_ = -1;
};

TEST_F(ReadAheadTest, BringsInWhatLiesAhead) {
    if (pages_in_memory() > 0) GTEST_SKIP() << "this file system keeps its pages in memory";
    ReadAhead ahead(fd_, kBytes);
    ahead.reading(0, 4096);
    EXPECT_EQ(pages_in_memory(), 0u);  // one read is no sequence
    ahead.reading(4096, 4096);
    size_t found = 0;
    for (int tries = 0; tries < 200 && found + 2 < kBytes / 4096; ++tries) {
        ::usleep(10'000);
        found = pages_in_memory();
    }
    EXPECT_GE(found + 2, kBytes / 4096);
}

TEST_F(ReadAheadTest, LeavesShortFilesToTheKernel) {
    ReadAhead ahead(fd_, 4096);
    const size_t before = pages_in_memory();
    ahead.reading(0, 100);
    ahead.reading(100, 100);
    EXPECT_EQ(pages_in_memory(), before);
}

}  // namespace
}  // namespace ingot::test
