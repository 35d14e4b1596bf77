#include "snapshot/diff.h"

#include "tests/snapshot/snapshot_test_base.h"

namespace ingot {
namespace {

// KEY=VALUE lines and nothing else.
std::vector<std::pair<std::string, std::string>> parse(ByteView file) {
    std::vector<std::pair<std::string, std::string>> out;
    std::string text(text_of(file));
    for (size_t at = 0; at < text.size();) {
        const size_t end = std::min(text.find('\n', at), text.size());
        const std::string line = text.substr(at, end - at);
        out.emplace_back(line.substr(0, line.find('=')), line.substr(line.find('=') + 1));
        at = end + 1;
    }
    return out;
}

class Diff : public SnapshotTest {
protected:
    std::vector<std::string> between(const TakeResult& before, const TakeResult& after) {
        std::vector<std::string> out;
        const auto each = [&](const Difference& d) {
            static constexpr const char* kWhat[] = {"added", "removed", "changed", "metadata"};
            std::string line = d.source + " " + kWhat[static_cast<int>(d.what)] + " " + d.path;
            for (const std::string& key : d.keys) line += " " + key;
            out.push_back(line);
            all_.push_back(d);
        };
        diff_snapshots(*repository_, {before.id, before.manifest, {}}, {after.id, after.manifest, {}}, parse, each);
        return out;
    }

    FakeSource tree_, env_;
    std::vector<Difference> all_;
};

TEST_F(Diff, NamesWhatCameWentAndChanged) {
    tree_.add("same", "same");
    tree_.add("gone", "gone");
    tree_.add("changed", "one");
    tree_.add("mode", "mode");
    add("tree", tree_);
    const TakeResult before = take();
    tree_.files.erase("gone");
    tree_.add("changed", "other");
    tree_.add("fresh", "fresh");
    tree_.files.at("mode").entry.mode = 0600;
    const TakeResult after = take();
    EXPECT_EQ(between(before, after),
              (std::vector<std::string>{"tree changed changed", "tree added fresh", "tree removed gone", "tree metadata mode"}));
    EXPECT_EQ(all_[0].bytes_before, 3u);
    EXPECT_EQ(all_[0].bytes_after, 5u);
    EXPECT_EQ(all_[0].bytes_new, 5u);
    EXPECT_EQ(all_[1].bytes_new, 5u);
    EXPECT_EQ(all_[2].bytes_new, 0u);
    EXPECT_TRUE(between(after, after).empty());
}

TEST_F(Diff, CountsOnlyChunksThatAreNew) {
    std::string large;
    uint32_t state = 1;
    for (int i = 0; i < 2'000'000; ++i) large += static_cast<char>((state = state * 1664525 + 1013904223) >> 24);
    tree_.add("large", large);
    add("tree", tree_);
    const TakeResult before = take();
    large[1'000'000] = static_cast<char>(large[1'000'000] + 1);
    tree_.add("large", large);
    between(before, take());
    ASSERT_EQ(all_.size(), 1u);
    EXPECT_GT(all_[0].bytes_new, 0u);
    EXPECT_LT(all_[0].bytes_new, 300'000u);
}

TEST_F(Diff, ShowsKeysOfEnvFilesAndNeverValues) {
    env_.add(".env", "A=secret-1\nB=secret-2\nC=same\n");
    add("env", env_, "env");
    const TakeResult before = take();
    env_.add(".env", "B=secret-3\nC=same\nD=secret-4\n");
    const std::vector<std::string> lines = between(before, take());
    EXPECT_EQ(lines, std::vector<std::string>{"env changed .env -A ~B +D"});
}

TEST_F(Diff, OfASourceThatCameIsAllAdded) {
    tree_.add("a", "a");
    add("tree", tree_);
    const TakeResult before = take();
    env_.add("b", "b");
    add("new", env_);
    EXPECT_EQ(between(before, take()), std::vector<std::string>{"new added b"});
}

}  // namespace
}  // namespace ingot
