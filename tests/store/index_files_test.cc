#include "store/index_files.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>

#include "store/hash.h"
#include "store/index.h"
#include "tests/support/memory_feed.h"
#include "tests/support/temp_dir.h"

namespace ingot {
namespace {

// Files may grow to this size while it lives; beyond it, writes fail.
class SizeLimit {
public:
    explicit SizeLimit(rlim_t bytes) {
        ::signal(SIGXFSZ, SIG_IGN);
        ::getrlimit(RLIMIT_FSIZE, &before_);
        const rlimit limit{bytes, before_.rlim_max};
        ::setrlimit(RLIMIT_FSIZE, &limit);
    }
    SizeLimit(const SizeLimit&) = delete;
    SizeLimit& operator=(const SizeLimit&) = delete;
    ~SizeLimit() { ::setrlimit(RLIMIT_FSIZE, &before_); }

private:
    rlimit before_{};
};

RecordName name_of(uint64_t number) {
    RecordName name;
    name.kind = RecordKind::manifest;
    name.id.bytes = sha256(test::noise(8, number)).bytes;
    return name;
}

TEST(IndexFiles, AFailedWriteIsAnErrorAndDoesNotAbort) {
    const test::TempDir dir;
    const std::string folder = dir / "index";
    const RepositoryId id{};
    Index::create(folder, id);
    {
        Index index(folder, IndexMode::read_write, id);
        index.put_record(name_of(1), test::noise(1000, 1));
        index.flush();
    }
    // The larger the limit, the later the write that fails: at the open, in the table, never.
    bool done = false;
    size_t failures = 0;
    for (rlim_t limit = 0; !done; limit += 4096) {
        const SizeLimit small(limit);
        try {
            Index index(folder, IndexMode::read_write, id);
            index.put_record(name_of(2), test::noise(20'000, 2));
            index.flush();
            done = true;
        } catch (const Error& error) {
            ++failures;
        }
    }
    EXPECT_GE(failures, 3U);
    Index index(folder, IndexMode::read_only, id);
    EXPECT_EQ(index.record(name_of(1)), test::noise(1000, 1));
    EXPECT_EQ(index.record(name_of(2)), test::noise(20'000, 2));
}

}  // namespace
}  // namespace ingot
