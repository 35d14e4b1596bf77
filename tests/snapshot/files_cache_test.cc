#include "snapshot/files_cache.h"

#include <gtest/gtest.h>

#include <fstream>

#include "base/error.h"
#include "tests/base/temp_dir.h"

namespace ingot {
namespace {

CachedFile remembered(const std::string& path, const std::string& fingerprint) {
    CachedFile file;
    file.path = path;
    file.fingerprint.assign(fingerprint.begin(), fingerprint.end());
    file.root = {1, Digest::from(Bytes(32, 7)), path.size()};
    if (path.size() % 2 == 0) file.sha256 = Digest::from(Bytes(32, 8));
    file.chunks = 3;
    return file;
}

Bytes bytes(std::string_view text) { return {text.begin(), text.end()}; }

class FilesCache : public testing::Test {
protected:
    void write(const std::vector<CachedFile>& files, const std::string& generation = "g1") {
        FilesCacheWriter writer(fs_, path_, generation);
        for (const CachedFile& each : files) writer.add(each);
        writer.finish();
        writer.publish();
        ASSERT_EQ(writer.problem(), "");
    }

    TempDir dir_;
    FileSystem& fs_ = real_filesystem();
    std::string path_ = dir_.at("repo/files/stack.source");
};

TEST_F(FilesCache, RemembersByPathAndFingerprint) {
    write({remembered("a/b", "f1"), remembered("a.b", "f2"), remembered("c", "f3")});
    FilesCacheReader reader(fs_, path_, "g1");
    EXPECT_EQ(reader.count(), 3u);
    EXPECT_EQ(reader.find("a", bytes("x")), nullptr);
    const CachedFile* found = reader.find("a/b", bytes("f1"));
    ASSERT_NE(found, nullptr);
    EXPECT_EQ(found->root, remembered("a/b", "f1").root);
    EXPECT_EQ(found->sha256, std::nullopt);
    EXPECT_EQ(found->chunks, 3u);
    EXPECT_EQ(reader.find("a.b", bytes("other")), nullptr);
    EXPECT_EQ(reader.find("b", bytes("f2")), nullptr);
    EXPECT_NE(reader.find("c", bytes("f3")), nullptr);
    EXPECT_EQ(reader.find("d", bytes("f3")), nullptr);
    EXPECT_EQ(reader.hits(), 2u);
}

TEST_F(FilesCache, NeverBelievesAnEmptyFingerprint) {
    write({remembered("a", "")});
    FilesCacheReader reader(fs_, path_, "g1");
    EXPECT_EQ(reader.find("a", {}), nullptr);
}

TEST_F(FilesCache, ForgetsEverythingInAnotherGeneration) {
    write({remembered("a", "f")});
    FilesCacheReader reader(fs_, path_, "g2");
    EXPECT_EQ(reader.count(), 0u);
    EXPECT_EQ(reader.find("a", bytes("f")), nullptr);
}

TEST_F(FilesCache, AnyFlippedBitAndAnyCutMeansNothingIsRemembered) {
    write({remembered("a", "f1"), remembered("bb", "f2")});
    const std::string whole = dir_.read("repo/files/stack.source");
    const auto remembers = [&](const std::string& content) {
        std::ofstream(path_, std::ios::trunc) << content;
        FilesCacheReader reader(fs_, path_, "g1");
        return reader.find("a", bytes("f1")) != nullptr || reader.find("bb", bytes("f2")) != nullptr;
    };
    ASSERT_TRUE(remembers(whole));
    for (size_t bit = 0; bit < whole.size() * 8; ++bit) {
        std::string flipped = whole;
        flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
        EXPECT_FALSE(remembers(flipped)) << bit;
    }
    for (size_t cut = 0; cut < whole.size(); ++cut) EXPECT_FALSE(remembers(whole.substr(0, cut))) << cut;
}

TEST_F(FilesCache, StaysAsItWasUntilItIsPublished) {
    write({remembered("a", "f1")});
    {
        FilesCacheWriter writer(fs_, path_, "g1");
        writer.add(remembered("a", "f2"));
        writer.finish();
    }
    FilesCacheReader reader(fs_, path_, "g1");
    EXPECT_NE(reader.find("a", bytes("f1")), nullptr);
    EXPECT_FALSE(dir_.has("repo/files/stack.source.new"));
}

TEST_F(FilesCache, ReplacesWhatAKilledRunLeftBeside) {
    make_dirs(fs_, dir_.at("repo/files"), 0700);
    dir_.write("repo/files/stack.source.new", "half");
    write({remembered("a", "f1")});
    EXPECT_EQ(FilesCacheReader(fs_, path_, "g1").count(), 1u);
}

TEST_F(FilesCache, SaysWhyItCannotBeWritten) {
    dir_.write("file", "");
    FilesCacheWriter writer(fs_, dir_.at("file/below"), "g1");
    writer.add(remembered("a", "f1"));
    writer.finish();
    writer.publish();
    EXPECT_NE(writer.problem(), "");
}

TEST_F(FilesCache, NamesNeverLeaveTheFolderNorMeet) {
    const RepositoryId id = RepositoryId::from(Bytes(16, 1));
    EXPECT_EQ(files_cache_path("/s", id, "a", "b"), "/s/01010101010101010101010101010101/files/a.b");
    EXPECT_EQ(files_cache_path("/s", id, "../x", "b"), "/s/01010101010101010101010101010101/files/%2e%2e%2fx.b");
    EXPECT_NE(files_cache_path("/s", id, "a.b", "c"), files_cache_path("/s", id, "a", "b.c"));
}

TEST_F(FilesCache, OfAHundredThousandFilesIsQuick) {
    std::vector<CachedFile> files;
    for (int i = 100'000; i < 200'000; ++i)
        files.push_back(remembered("models/part/file" + std::to_string(i), "fingerprint of 40 bytes, as files have it"));
    write(files);
    const double before = worked_s();
    FilesCacheReader reader(fs_, path_, "g1");
    for (const CachedFile& each : files) ASSERT_NE(reader.find(each.path, each.fingerprint), nullptr);
    EXPECT_LT(worked_s() - before, 1);
}

}  // namespace
}  // namespace ingot
