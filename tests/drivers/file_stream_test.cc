#include "drivers/file_stream.h"

#include "drivers/tree_walk.h"
#include "tests/drivers/test_folder.h"

namespace ingot {
namespace {

class FileStreamTest : public testing::Test {
protected:
    FileStream open(bool growing = false, uint64_t growing_length = 0, bool skip_holes = false) {
        auto file = std::make_unique<SourceFile>(-1, path_, path_);
        FileStream::Opened opened;
        opened.live_path = opened.shown = path_;
        opened.stat = pinned_stat(file->stat());
        opened.length = growing ? growing_length : opened.stat.size;
        opened.growing = growing;
        opened.skip_holes = skip_holes;
        return FileStream(std::move(file), opened, [this] { ++settled_; });
    }

    TestFolder scratch_;
    std::string path_ = scratch_ / "file";
    int settled_ = 0;
};

TEST_F(FileStreamTest, IsOneSectionOfItsLength) {
    put(path_, std::string(300'000, 'x'));
    FileStream stream = open();
    EXPECT_EQ(read_all(stream), std::string(300'000, 'x'));
    EXPECT_TRUE(stream.settled());
    EXPECT_EQ(settled_, 1);
}

TEST_F(FileStreamTest, AnEmptyFileHasNoSection) {
    put(path_, "");
    FileStream stream = open();
    EXPECT_FALSE(stream.next_section());
    EXPECT_TRUE(stream.settled());
}

TEST_F(FileStreamTest, IsNotSettledWhenTheFileChangedWhileItWasRead) {
    put(path_, "before");
    FileStream stream = open();
    read_all(stream);
    append(path_, "more");
    EXPECT_FALSE(stream.settled());
    EXPECT_EQ(settled_, 0);
}

TEST_F(FileStreamTest, IsNotSettledWhenAnotherFileTookTheName) {
    put(path_, "before");
    FileStream stream = open();
    read_all(stream);
    put(scratch_ / "new", "before");
    real_filesystem().rename(scratch_ / "new", path_, Rename::replace);
    EXPECT_FALSE(stream.settled());
    real_filesystem().remove(path_);
    EXPECT_FALSE(stream.settled());
}

TEST_F(FileStreamTest, AFileCutShortKeepsItsPromisedLengthAndIsVoid) {
    put(path_, std::string(200'000, 'x'));
    FileStream stream = open();
    ASSERT_EQ(::truncate(path_.c_str(), 100), 0);
    EXPECT_EQ(read_all(stream).size(), 200'000u);
    EXPECT_FALSE(stream.settled());
}

TEST_F(FileStreamTest, AGrowingFileIsReadToItsPinnedLength) {
    put(path_, "0123456789");
    FileStream stream = open(true, 10);
    append(path_, "later");
    EXPECT_EQ(read_all(stream), "0123456789");
    append(path_, "still later");
    EXPECT_TRUE(stream.settled());
    ASSERT_EQ(::truncate(path_.c_str(), 3), 0);
    EXPECT_FALSE(stream.settled());
}

TEST_F(FileStreamTest, HolesAreZerosWhetherSkippedOrRead) {
    put(path_, "");
    ASSERT_EQ(::truncate(path_.c_str(), 3 << 20), 0);
    const int fd = ::open(path_.c_str(), O_WRONLY);
    ASSERT_EQ(::pwrite(fd, "middle", 6, (1 << 20) + 5), 6);
    ::close(fd);
    std::string expected(3 << 20, '\0');
    expected.replace((1 << 20) + 5, 6, "middle");
    FileStream read = open();
    EXPECT_EQ(read_all(read), expected);
    FileStream skipped = open(false, 0, true);
    EXPECT_EQ(read_all(skipped), expected);
}

TEST_F(FileStreamTest, OpeningRefusesSymlinksAndNamesWhatVanished) {
    ASSERT_EQ(::symlink("/etc/passwd", path_.c_str()), 0);
    EXPECT_EQ(error_of([&] { SourceFile(-1, path_, path_); }).code(), Code::source);
    const Error gone = error_of([&] { SourceFile(-1, scratch_ / "gone", scratch_ / "gone"); });
    EXPECT_EQ(gone.code(), Code::source);
    EXPECT_NE(std::string(gone.what()).find("gone vanished"), std::string::npos);
}

TEST_F(FileStreamTest, AFolderOnTheWayThatBecameASymlinkIsNotFollowed) {
    put(scratch_ / "root/sub/x", "mine");
    put(scratch_ / "secret/x", "not mine");
    const int root = ::open((scratch_ / "root").c_str(), O_PATH | O_DIRECTORY);
    { EXPECT_EQ(SourceFile(root, "sub/x", "x").stat().st_size, 4); }
    remove_tree(real_filesystem(), scratch_ / "root/sub");
    ASSERT_EQ(::symlink("../secret", (scratch_ / "root/sub").c_str()), 0);
    EXPECT_EQ(error_of([&] { SourceFile(root, "sub/x", "x"); }).code(), Code::source);
    ::close(root);
}

TEST_F(FileStreamTest, AFifoThatTookTheNameDoesNotBlock) {
    ASSERT_EQ(::mkfifo(path_.c_str(), 0600), 0);
    EXPECT_TRUE(S_ISFIFO(SourceFile(-1, path_, path_).stat().st_mode));
}

}  // namespace
}  // namespace ingot
