#include "base/filesystem.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <set>

#include "base/error.h"
#include "tests/base/temp_dir.h"

namespace ingot {
namespace {

template <class Work>
Code code_of(const Work& work) {
    try {
        work();
    } catch (const Error& error) {
        return error.code();
    }
    return Code::interrupted;  // no error
}

std::set<std::string> names_in(const std::string& path) {
    std::set<std::string> names;
    real_filesystem().list(path, [&](const std::string& name) { names.insert(name); });
    return names;
}

FileSystem& fs = real_filesystem();

TEST(Paths, AreTakenApartAndJoined) {
    EXPECT_EQ(parent_of("/a/b"), "/a");
    EXPECT_EQ(parent_of("/a"), "/");
    EXPECT_EQ(parent_of("a"), ".");
    EXPECT_EQ(base_name_of("/a/b"), "b");
    EXPECT_EQ(join("/a", "b"), "/a/b");
    EXPECT_EQ(join("/", "b"), "/b");
    EXPECT_EQ(join("", "b"), "b");
}

TEST(FileSystem, NeverOverwritesWhatItPublishes) {
    const TempDir dir;
    EXPECT_TRUE(write_new_file(fs, dir.at("a"), view_of("first")));
    EXPECT_FALSE(write_new_file(fs, dir.at("a"), view_of("second")));
    EXPECT_EQ(dir.read("a"), "first");
    EXPECT_EQ(names_in(dir.path()), std::set<std::string>{"a"});
}

TEST(FileSystem, ReplacesAFileWhole) {
    const TempDir dir;
    replace_file(fs, dir.at("a"), view_of("first"));
    replace_file(fs, dir.at("a"), view_of("2"));
    EXPECT_EQ(dir.read("a"), "2");
    EXPECT_EQ(names_in(dir.path()).size(), 1u);
}

TEST(FileSystem, CreateRefusesWhatIsThereAndFollowsNoLink) {
    const TempDir dir;
    dir.write("a", "x");
    EXPECT_EQ(code_of([&] { fs.create(dir.at("a"), 0600); }), Code::failed);
    ASSERT_EQ(::symlink("nowhere", dir.at("link").c_str()), 0);
    EXPECT_EQ(code_of([&] { fs.create(dir.at("link"), 0600); }), Code::failed);
}

TEST(FileSystem, TellsMissingFromFailed) {
    const TempDir dir;
    EXPECT_EQ(code_of([&] { fs.open(dir.at("a")); }), Code::not_found);
    EXPECT_EQ(code_of([&] { fs.remove(dir.at("a")); }), Code::not_found);
    EXPECT_FALSE(fs.file_size(dir.at("a")).has_value());
    EXPECT_FALSE(fs.file_size(dir.path()).has_value());
    dir.write("f", "12345");
    EXPECT_EQ(fs.file_size(dir.at("f")), 5u);
    EXPECT_EQ(fs.file_size(dir.at("f/below")), std::nullopt);
}

TEST(FileSystem, SyncsAFileThatIsThereWhateverItsMode) {
    const TempDir dir;
    dir.write("a", "A");
    ASSERT_EQ(::chmod(dir.at("a").c_str(), 0000), 0);
    EXPECT_NO_THROW(fs.sync_file(dir.at("a")));
    ASSERT_EQ(::symlink("nowhere", dir.at("link").c_str()), 0);
    EXPECT_NO_THROW(fs.sync_file(dir.at("link")));  // not followed
    ASSERT_EQ(::mkfifo(dir.at("fifo").c_str(), 0600), 0);
    EXPECT_NO_THROW(fs.sync_file(dir.at("fifo")));  // waits for nobody
    EXPECT_EQ(code_of([&] { fs.sync_file(dir.at("gone")); }), Code::not_found);
}

TEST(FileSystem, RenamesInThreeWays) {
    const TempDir dir;
    dir.write("a", "A");
    dir.write("b", "B");
    EXPECT_EQ(code_of([&] { fs.rename(dir.at("a"), dir.at("b"), Rename::no_replace); }), Code::failed);
    fs.rename(dir.at("a"), dir.at("b"), Rename::exchange);
    EXPECT_EQ(dir.read("a"), "B");
    fs.rename(dir.at("a"), dir.at("b"), Rename::replace);
    EXPECT_EQ(dir.read("b"), "B");
    EXPECT_FALSE(dir.has("a"));
}

TEST(FileSystem, WritesAtOffsetsAndReadsShortOnlyAtTheEnd) {
    const TempDir dir;
    const auto file = fs.create(dir.at("a"), 0600);
    file->set_size(10);
    file->write_at(3, view_of("xyz"));
    file->sync();
    Bytes buffer(20);
    const auto reader = fs.open(dir.at("a"));
    reader->drop_cache();
    EXPECT_EQ(reader->read_at(3, buffer), 7u);
    EXPECT_EQ(buffer[0], 'x');
    EXPECT_EQ(reader->size(), 10u);
}

TEST(FileSystem, RefusesFilesLargerThanTheLimit) {
    const TempDir dir;
    dir.write("a", "12345");
    EXPECT_EQ(read_file(fs, dir.at("a"), 5).size(), 5u);
    EXPECT_EQ(code_of([&] { read_file(fs, dir.at("a"), 4); }), Code::damaged);
}

TEST(FileSystem, MakesFoldersAndRemovesTreesWithoutFollowingLinks) {
    const TempDir dir;
    make_dirs(fs, dir.at("a/b/c"), 0700);
    make_dirs(fs, dir.at("a/b/c"), 0700);
    dir.write("kept", "x");
    ASSERT_EQ(::symlink(dir.path().c_str(), dir.at("a/b/link").c_str()), 0);
    dir.write("a/b/file", "y");
    remove_tree(fs, dir.at("a"));
    EXPECT_EQ(names_in(dir.path()), std::set<std::string>{"kept"});
    remove_tree(fs, dir.at("a"));
}

}  // namespace
}  // namespace ingot
