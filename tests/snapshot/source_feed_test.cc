#include "snapshot/source_feed.h"

#include <gtest/gtest.h>

#include <thread>

#include "tests/base/temp_dir.h"
#include "tests/snapshot/fake_source.h"

namespace ingot {
namespace {

// The root a stream of these bytes gets from the store below.
StreamRoot root_of(std::string_view content) {
    StreamRoot root;
    root.size = content.size();
    for (size_t i = 0; i < content.size(); ++i) {
        uint8_t& byte = root.digest.bytes[i % 32];
        byte = static_cast<uint8_t>(byte * 31 + static_cast<uint8_t>(content[i]) + 1);
    }
    return root;
}

// What a store does with a feed: reads it, and tells later, from another thread, what became of each stream.
void store(StreamFeed& feed) {
    std::vector<StreamStored> results;
    while (Stream* stream = feed.next()) {
        std::string content;
        try {
            while (stream->next_section()) {
                std::array<uint8_t, 7> buffer;
                while (const size_t n = stream->read(buffer)) content.append(reinterpret_cast<const char*>(buffer.data()), n);
            }
        } catch (const Error& error) {
            feed.read_to_end(false, &error);
            continue;
        }
        const bool settled = stream->settled();
        StreamStored stored;
        stored.root = root_of(content);
        stored.sha256 = stored.root.digest;
        stored.chunks = 1;
        results.push_back(stored);
        feed.read_to_end(settled, nullptr);
    }
    std::thread([&] {
        for (const StreamStored& each : results) feed.stored(each);
    }).join();
}

class Feed : public testing::Test {
protected:
    void run(const std::string& generation = "g") {
        FakePin pin(source_);
        FilesCacheReader cache(real_filesystem(), cache_path_, generation);
        SilentProgress progress;
        feed_ = std::make_unique<SourceFeed>(pin, cache, FeedLimits{3, wall_now_ms(), dir_.path()}, progress);
        source_.read.clear();
        store(*feed_);
        unchanged_ = feed_->cache_unchanged();
        failure_ = feed_->failure();
        FilesCacheWriter writer(real_filesystem(), cache_path_, generation);
        ListingReader listing(feed_->finish(&writer, {"tree"}));
        writer.finish();
        writer.publish();
        listed_.clear();
        while (std::optional<ListedEntry> each = listing.next()) listed_.push_back(std::move(*each));
    }

    TempDir dir_;
    std::string cache_path_ = dir_.at("cache");
    FakeSource source_;
    std::unique_ptr<SourceFeed> feed_;
    bool unchanged_ = false;
    std::optional<Error> failure_;
    std::vector<ListedEntry> listed_;
};

TEST_F(Feed, ListsEveryEntryWithItsRoot) {
    source_.add_folder("tree");
    source_.add("tree/a", "aaa");
    source_.add("tree/b", "");
    source_.add_folder("tree/c");
    source_.add("tree/c/d", "dddd");
    run();
    ASSERT_EQ(listed_.size(), 5u);
    EXPECT_EQ(listed_[1].root, root_of("aaa"));
    EXPECT_EQ(listed_[1].sha256, root_of("aaa").digest);
    EXPECT_EQ(listed_[2].root, root_of(""));
    EXPECT_EQ(listed_[4].root, root_of("dddd"));
    EXPECT_EQ(feed_->counts().entries, 5u);
    EXPECT_EQ(feed_->counts().streams, 3u);
    EXPECT_EQ(feed_->counts().bytes, 7u);
    EXPECT_EQ(feed_->counts().chunks, 3u);
    EXPECT_FALSE(feed_->counts().only_roots);
}

TEST_F(Feed, KnowsASourceThatIsNothingButItsRoots) {
    source_.add_folder("tree");
    run();
    EXPECT_TRUE(feed_->counts().only_roots);
}

TEST_F(Feed, DoesNotReadWhatTheCacheKnows) {
    source_.add("a", "aaa", "f1");
    source_.add("b", "bbb", "f2");
    source_.add("c", "ccc");
    run();
    EXPECT_EQ(source_.read, (std::vector<std::string>{"a", "b", "c"}));
    EXPECT_FALSE(unchanged_);
    source_.add("b", "BBB", "f3");
    run();
    EXPECT_EQ(source_.read, (std::vector<std::string>{"b", "c"}));
    EXPECT_EQ(listed_[0].root, root_of("aaa"));
    EXPECT_EQ(listed_[0].sha256, root_of("aaa").digest);
    EXPECT_EQ(listed_[1].root, root_of("BBB"));
    EXPECT_EQ(feed_->counts().bytes, 9u);
    EXPECT_EQ(feed_->counts().chunks, 3u);
    EXPECT_FALSE(unchanged_);
    run();
    EXPECT_TRUE(unchanged_);
    source_.files.erase("a");
    run();
    EXPECT_FALSE(unchanged_);
    run("another generation");
    EXPECT_EQ(source_.read, (std::vector<std::string>{"b", "c"}));
}

TEST_F(Feed, DoesNotRememberAFileThatMayChangeUnseen) {
    source_.add("hot", "x", "f1").entry.mtime_ns = wall_now_ms() * 1'000'000 + 1;
    source_.add("whole second", "x", "f2").entry.mtime_ns = wall_now_ms() / 1000 * 1'000'000'000;
    source_.add("yesterday", "x", "f3");
    run();
    run();
    EXPECT_EQ(source_.read, (std::vector<std::string>{"hot", "whole second"}));
}

TEST_F(Feed, ReadsAgainWhatChangedWhileItWasRead) {
    source_.add("a", "aaa");
    source_.add("b", "bbb").unsettled = 2;
    source_.add("c", "ccc");
    run();
    EXPECT_EQ(source_.read, (std::vector<std::string>{"a", "b", "b", "b", "c"}));
    ASSERT_EQ(listed_.size(), 3u);
    EXPECT_EQ(listed_[1].root, root_of("bbb"));
    EXPECT_EQ(listed_[2].root, root_of("ccc"));
}

TEST_F(Feed, LeavesOutAFileThatKeepsChangingAndStoresItsSiblings) {
    source_.add("a", "aaa").unsettled = 3;
    source_.add("b", "bbb");
    run();
    ASSERT_TRUE(failure_);
    EXPECT_EQ(failure_->code(), Code::source);
    EXPECT_STREQ(failure_->what(), "a keeps changing while it is read (3 tries)");
    EXPECT_EQ(source_.read, (std::vector<std::string>{"a", "a", "a", "b"}));
    ASSERT_EQ(listed_.size(), 1u);
    EXPECT_EQ(listed_[0].root, root_of("bbb"));
}

TEST_F(Feed, LeavesOutWhatCannotBeReadAndCountsIt) {
    source_.add("a", "aaa").unreadable = true;
    source_.add("b", "bbb");
    source_.add("c", "ccc").unreadable = true;
    source_.add("d", "ddd");
    run();
    ASSERT_TRUE(failure_);
    EXPECT_STREQ(failure_->what(), "reading a: Input/output error and 1 more could not be stored");
    ASSERT_EQ(listed_.size(), 2u);
    EXPECT_EQ(listed_[0].root, root_of("bbb"));
    EXPECT_EQ(listed_[1].root, root_of("ddd"));
}

TEST_F(Feed, ListsAFileAsItWasDelivered) {
    source_.add("a", "longer than pinned").entry.size = 3;
    source_.described = [](Entry entry) {
        entry.size = 18;
        entry.mode = 0600;
        return entry;
    };
    run();
    ASSERT_EQ(listed_.size(), 1u);
    EXPECT_EQ(listed_[0].entry.mode, 0600u);
    EXPECT_EQ(listed_[0].root.size, 18u);
}

TEST_F(Feed, AHundredThousandUnchangedFilesAreQuick) {
    for (int i = 100'000; i < 200'000; ++i)
        source_.add("models/part/file" + std::to_string(i), "x", "fingerprint of about 40 bytes, as files have");
    run();
    const double before = worked_s();
    run();
    EXPECT_TRUE(source_.read.empty());
    EXPECT_TRUE(unchanged_);
    EXPECT_LT(worked_s() - before, 1) << "second run over unchanged files";
}

}  // namespace
}  // namespace ingot
