#include "drivers/leased_file.h"

#include <sys/mman.h>

#include <thread>

#include "tests/drivers/test_folder.h"

namespace ingot {
namespace {

class LeasedFileTest : public testing::Test {
protected:
    void SetUp() override { put(path_, before_); }
    LeasedFile open() const { return LeasedFile({"file", path_}, scratch_.path()); }
    static std::string bytes_of(LeasedFile& file) {
        std::string out(static_cast<size_t>(file.stat().st_size) + 10, '\0');
        size_t have = 0;
        while (const size_t n = file.read_at(have, {reinterpret_cast<uint8_t*>(out.data()) + have, out.size() - have})) have += n;
        out.resize(have);
        return out;
    }

    TestFolder scratch_;
    std::string path_ = scratch_ / "file";
    const std::string before_ = std::string(3'000'000, 'b') + "end";
    const std::atomic<bool> go_on_ = false;
};

TEST_F(LeasedFileTest, GivesWayToAWriterAndStillReadsWhatWasLeased) {
    LeasedFile file = open();
    const LeaseWatch watch([&] {
        if (file.wanted_back()) file.give_way(go_on_);
    });
    ASSERT_EQ(file.take_lease(watch), Lease::granted);
    EXPECT_TRUE(file.still_so());
    std::vector<uint8_t> some(1000);
    EXPECT_EQ(file.read_at(0, some), 1000u);
    put(path_, "after");  // opens it, truncating: waits for the copy
    EXPECT_EQ(get(path_), "after");
    EXPECT_EQ(bytes_of(file), before_);
    EXPECT_TRUE(file.intact());
    EXPECT_FALSE(file.still_so()) << "the lease is gone: it proves nothing about a later moment";
}

TEST_F(LeasedFileTest, AnAbandonedCopyLetsTheWriterGoWithoutOne) {
    std::atomic<bool> abandoned = true;
    LeasedFile file = open();
    const LeaseWatch watch([&] {
        if (file.wanted_back()) file.give_way(abandoned);
    });
    ASSERT_EQ(file.take_lease(watch), Lease::granted);
    put(path_, "after");
    std::vector<uint8_t> some(10);
    EXPECT_EQ(error_of([&] { file.read_at(0, some); }).code(), Code::source);
}

TEST_F(LeasedFileTest, ASpoolThatCannotBeMadeIsTheNextReadsErrorAndTheWriterIsLetGo) {
    LeasedFile file({"file", path_}, scratch_ / "no such folder");
    const LeaseWatch watch([&] {
        if (file.wanted_back()) file.give_way(go_on_);
    });
    ASSERT_EQ(file.take_lease(watch), Lease::granted);
    put(path_, "after");
    EXPECT_FALSE(file.intact());
    std::vector<uint8_t> some(10);
    const Error error = error_of([&] { file.read_at(0, some); });
    EXPECT_EQ(error.code(), Code::failed);
    EXPECT_NE(std::string(error.what()).find("no such folder"), std::string::npos);
}

// What the kernel does after lease-break-time: here the lease is dropped behind the file's back.
TEST_F(LeasedFileTest, ALeaseThatTheKernelTookAwayIsNeverASilentMixture) {
    LeasedFile file = open();
    const LeaseWatch watch([] {});
    ASSERT_EQ(file.take_lease(watch), Lease::granted);
    std::vector<uint8_t> some(1000);
    EXPECT_EQ(file.read_at(0, some), 1000u);
    EXPECT_TRUE(file.intact());
    for (int i = 3; i < 100; ++i) {
        char target[4096] = {};
        if (::readlink(("/proc/self/fd/" + std::to_string(i)).c_str(), target, sizeof target - 1) > 0 && target == path_)
            LeaseWatch::give_up(i);
    }
    put(path_, "after");
    EXPECT_FALSE(file.intact());
    const Error error = error_of([&] { file.read_at(1000, some); });
    EXPECT_EQ(error.code(), Code::source);
    EXPECT_NE(std::string(error.what()).find("was written before it was stored"), std::string::npos) << error.what();
    EXPECT_FALSE(error.hint().empty());
}

TEST_F(LeasedFileTest, ACopyIsProvenByReadingTheFileAgain) {
    LeasedFile quiet = open();
    quiet.copy();
    EXPECT_TRUE(quiet.still_so());
    EXPECT_EQ(bytes_of(quiet), before_);

    LeasedFile written = open();
    written.copy();
    append(path_, "more");
    EXPECT_FALSE(written.still_so());
    EXPECT_EQ(bytes_of(written), before_);

    LeasedFile replaced = open();
    replaced.copy();
    const std::string other = get(path_);
    put(scratch_ / "new", other);
    real_filesystem().rename(scratch_ / "new", path_, Rename::replace);
    EXPECT_FALSE(replaced.still_so()) << "the same bytes, but another file: the name moved on";
}

// A program that has the file mapped changes it without a new time as long as the page is dirty already.
TEST_F(LeasedFileTest, AChangeThroughAMappingThatLeavesTheTimesAloneIsSeen) {
    const int fd = ::open(path_.c_str(), O_RDWR | O_CLOEXEC);
    auto* mapped = static_cast<char*>(::mmap(nullptr, before_.size(), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
    ASSERT_NE(mapped, MAP_FAILED);
    ::close(fd);
    mapped[2'000'000] = 'x';
    LeasedFile file = open();
    const LeaseWatch watch([] {});
    EXPECT_EQ(file.take_lease(watch), Lease::busy);
    file.copy();
    EXPECT_TRUE(file.still_so());
    const timespec then[2] = {file.stat().st_atim, file.stat().st_mtim};
    mapped[2'000'000] = 'y';
    ASSERT_EQ(::utimensat(AT_FDCWD, path_.c_str(), then, 0), 0);
    EXPECT_FALSE(file.still_so());
    ::munmap(mapped, before_.size());
}

TEST_F(LeasedFileTest, RenamesLinksAndModesDoNotDisturbALease) {
    LeasedFile file = open();
    const LeaseWatch watch([] {});
    ASSERT_EQ(file.take_lease(watch), Lease::granted);
    ASSERT_EQ(::link(path_.c_str(), (scratch_ / "link").c_str()), 0);
    ASSERT_EQ(::chmod(path_.c_str(), 0600), 0);
    EXPECT_TRUE(file.still_so());
    put(scratch_ / "new", "after");
    real_filesystem().rename(scratch_ / "new", path_, Rename::replace);
    EXPECT_FALSE(file.still_so()) << "the name is another file's now";
    EXPECT_EQ(bytes_of(file), before_);
    EXPECT_TRUE(file.intact());
}

TEST_F(LeasedFileTest, WhatIsNoRegularFileIsNamedWithWhatToDo) {
    ASSERT_EQ(::symlink("file", (scratch_ / "link").c_str()), 0);
    for (const std::string name : {"gone", "link", ""}) {
        const Error error = error_of([&] { LeasedFile({name, scratch_ / name}, scratch_.path()); });
        EXPECT_EQ(error.code(), Code::source) << name;
        EXPECT_FALSE(error.hint().empty()) << name;
    }
}

}  // namespace
}  // namespace ingot
