#include "drivers/file_set.h"

#include <sys/wait.h>

#include <chrono>
#include <thread>

#include "tests/drivers/test_folder.h"

namespace ingot {
namespace {

std::string bytes_of(LeasedFile& file) {
    std::string out(static_cast<size_t>(file.stat().st_size), '\0');
    for (size_t have = 0; have < out.size();) {
        have += file.read_at(have, {reinterpret_cast<uint8_t*>(out.data()) + have, out.size() - have});
    }
    return out;
}

class FileSetTest : public testing::Test {
protected:
    void SetUp() override {
        put(scratch_ / "b.index", std::string(1'000'000, 'i'));
        put(scratch_ / "a.docs", "documents");
    }
    SourceRoot named(const std::string& name) const { return {name, scratch_ / name}; }
    void add_both(FileSet& set) const {
        set.add(named("b.index"));
        set.add(named("a.docs"));
    }
    static std::string why(const std::function<void()>& call) {
        try {
            call();
        } catch (const Unsettled& unsettled) {
            EXPECT_EQ(unsettled.error.code(), Code::source);
            EXPECT_FALSE(unsettled.error.hint().empty());
            return unsettled.error.what();
        }
        return "";
    }

    TestFolder scratch_;
};

TEST_F(FileSetTest, FixesAllFilesAtOneMomentAndKeepsThemWhateverWritersDo) {
    FileSet set(scratch_.path());
    const Moment before = now();
    add_both(set);
    set.fix();
    EXPECT_LE(before.mono_ns, set.moment().first.mono_ns);
    EXPECT_LE(set.moment().last.mono_ns, now().mono_ns);
    ASSERT_EQ(set.files().size(), 2u);
    EXPECT_EQ(set.files()[0]->root().listing_path, "a.docs");
    std::thread writer([&] {
        put(scratch_ / "b.index", "new index");
        put(scratch_ / "a.docs", "new documents");
    });
    writer.join();
    EXPECT_EQ(bytes_of(*set.files()[0]), "documents");
    EXPECT_EQ(bytes_of(*set.files()[1]), std::string(1'000'000, 'i'));
    EXPECT_TRUE(set.files()[0]->intact());
}

TEST_F(FileSetTest, AWriterThatCameBeforeTheMomentMakesItUnsettled) {
    FileSet set(scratch_.path());
    set.add(named("b.index"));
    put(scratch_ / "b.index", "written while the set was put together");
    set.add(named("a.docs"));
    EXPECT_NE(why([&] { set.fix(); }).find("b.index is being written"), std::string::npos);
}

TEST_F(FileSetTest, ANameThatMovedOnBeforeTheMomentMakesItUnsettled) {
    FileSet set(scratch_.path());
    add_both(set);
    put(scratch_ / "new", "new index");
    real_filesystem().rename(scratch_ / "new", scratch_ / "b.index", Rename::replace);
    EXPECT_NE(why([&] { set.fix(); }).find("b.index"), std::string::npos);
}

TEST_F(FileSetTest, AFileThatIsOnlyKeptOpenForWritingIsCopied) {
    const int fd = ::open((scratch_ / "b.index").c_str(), O_WRONLY | O_CLOEXEC);
    FileSet set(scratch_.path());
    add_both(set);
    set.fix();
    EXPECT_FALSE(set.files()[1]->was_leased());
    ASSERT_EQ(::pwrite(fd, "X", 1, 0), 1);
    EXPECT_EQ(bytes_of(*set.files()[1]), std::string(1'000'000, 'i'));
    EXPECT_EQ(set.writers_blocked_ms(), 0);
    ::close(fd);
}

TEST_F(FileSetTest, AFileThatIsWrittenJustNowIsUnsettled) {
    std::jthread writer([&](std::stop_token stop) {
        const int fd = ::open((scratch_ / "b.index").c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
        while (!stop.stop_requested()) {
            EXPECT_EQ(::write(fd, "more", 4), 4);
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
        ::close(fd);
    });
    while (real_filesystem().file_size(scratch_ / "b.index") == 1'000'000u) std::this_thread::yield();
    FileSet set(scratch_.path());
    EXPECT_NE(why([&] { set.add(named("b.index")); }).find("is being written"), std::string::npos);
}

TEST_F(FileSetTest, WithoutTheRightToLeaseItCopies) {
    if (::geteuid() != 0) GTEST_SKIP() << "only root can become another user";
    ASSERT_EQ(::chmod(scratch_.path().c_str(), 0777), 0);
    const pid_t child = ::fork();
    if (child == 0) {
        if (::setegid(65534) != 0 || ::seteuid(65534) != 0) ::_exit(9);
        FileSet set(scratch_.path());
        add_both(set);
        set.fix();
        const int writer = ::open((scratch_ / "spare").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
        const bool good =
            !set.files()[1]->was_leased() && bytes_of(*set.files()[1]) == std::string(1'000'000, 'i') && writer >= 0;
        ::_exit(good ? 0 : 1);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
}

TEST_F(FileSetTest, TheTimeAWriterWaitedIsCounted) {
    put(scratch_ / "b.index", std::string(60'000'000, 'i'));
    FileSet set(scratch_.path());
    add_both(set);
    set.fix();
    EXPECT_EQ(set.writers_blocked_ms(), 0);
    const int64_t asked_ns = mono_now_ns();
    const int writer = ::open((scratch_ / "b.index").c_str(), O_WRONLY | O_CLOEXEC);
    const int64_t waited_ms = (mono_now_ns() - asked_ns) / 1'000'000;
    EXPECT_LE(set.writers_blocked_ms(), waited_ms + 1);
    EXPECT_GE(set.writers_blocked_ms() + 1, waited_ms / 2) << "most of what the writer waited was the copy";
    ::close(writer);
    std::printf("a writer of 60 MB waited %ld ms, %ld ms of it counted\n", waited_ms, set.writers_blocked_ms());
}

TEST_F(FileSetTest, ASetThatIsGivenUpLetsItsWritersGoAtOnce) {
    put(scratch_ / "b.index", std::string(60'000'000, 'i'));
    auto set = std::make_unique<FileSet>(scratch_.path());
    add_both(*set);
    set->fix();
    std::thread writer([&] { put(scratch_ / "b.index", "after"); });
    set.reset();
    writer.join();
    EXPECT_EQ(get(scratch_ / "b.index"), "after");
}

}  // namespace
}  // namespace ingot
