#include "snapshot/place.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/error.h"
#include "tests/support/faulty_filesystem.h"
#include "tests/support/temp_dir.h"
#include "tests/support/tree_model.h"

namespace ingot::test {
namespace {

struct Place {
    TempDir dir;
    MemoryContent content;
    std::vector<PlacedEntry> entries;
    size_t next = 0;

    Place() { std::filesystem::create_directories(dir / "to"); }
    PlacedEntry& add(const std::string& path, EntryType type = EntryType::file, const std::string& bytes = "") {
        PlacedEntry placed;
        placed.at = placed.listed.entry.path = path;
        placed.listed.entry.type = type;
        placed.listed.entry.mode = type == EntryType::directory ? 0755 : 0644;
        placed.listed.entry.mtime_ns = 1'700'000'000'123'456'789;
        if (type == EntryType::file) placed.listed.root = content.add(bytes);
        entries.push_back(placed);
        return entries.back();
    }
    Placed run(const PlaceOptions& options = {}, FileSystem& fs = real_filesystem()) {
        next = 0;
        const FetchContent fetch = [this](const auto& requests, ReadSink& sink) { content.read(requests, sink); };
        const auto feed = [this]() -> std::optional<PlacedEntry> {
            if (next == entries.size()) return std::nullopt;
            return entries[next++];
        };
        return place_entries(fetch, fs, dir / "to", feed, options);
    }
    Code code_of() {
        try {
            run();
        } catch (const Error& error) {
            return error.code();
        }
        ADD_FAILURE() << "nothing was thrown";
        return Code::failed;
    }
};

TEST(Place, WritesATreeAsItIsListed) {
    for (uint64_t seed = 0; seed < 20; ++seed) {
        std::mt19937_64 random(seed);
        Place place;
        make_random_tree(place.dir / "from", random);
        for (ListedEntry& listed : listing_of(place.dir / "from", "top", place.content)) {
            PlacedEntry placed{listed, listed.entry.path, listed.entry.type == EntryType::hard_link ? listed.entry.link : ""};
            place.entries.push_back(std::move(placed));
        }
        EXPECT_EQ(place.run().problems, std::vector<std::string>{});
        EXPECT_EQ(difference(state_of(place.dir / "to/top"), state_of(place.dir / "from")), "") << "seed " << seed;
    }
}

TEST(Place, LeavesHolesInSparseFiles) {
    Place place;
    std::string bytes(4 << 20, '\0');
    bytes[1 << 20] = 'x';
    place.add("sparse", EntryType::file, bytes).listed.entry.sparse = true;
    place.add("zeros", EntryType::file, std::string(1 << 20, '\0')).listed.entry.sparse = true;
    place.run();
    EXPECT_EQ(read_whole(place.dir / "to/sparse"), bytes);
    EXPECT_EQ(read_whole(place.dir / "to/zeros"), std::string(1 << 20, '\0'));
    struct stat st {};
    ASSERT_EQ(::stat((place.dir / "to/sparse").c_str(), &st), 0);
    EXPECT_LT(st.st_blocks * 512, 64 << 10);
}

TEST(Place, WritesManyFilesOfManyChunksWithFewDescriptors) {
    rlimit before{};
    ::getrlimit(RLIMIT_NOFILE, &before);
    const rlimit few{64, before.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &few);
    Place place;
    for (int i = 100; i < 400; ++i)
        place.add("f" + std::to_string(i), EntryType::file, std::string(12'000, static_cast<char>(i)));
    place.run({.metadata = true, .sync = true, .salvage = false});
    ::setrlimit(RLIMIT_NOFILE, &before);
    for (int i = 100; i < 400; ++i)
        ASSERT_EQ(read_whole(place.dir / ("to/f" + std::to_string(i))), std::string(12'000, static_cast<char>(i)));
}

TEST(Place, SalvageLeavesOutWhatIsLostAndNamesIt) {
    Place place;
    place.add("a", EntryType::file, "kept");
    const StreamRoot lost = place.add("b", EntryType::file, std::string(20'000, 'l')).listed.root;
    PlacedEntry& link = place.add("c", EntryType::hard_link);
    link.link_at = link.listed.entry.link = "b";
    place.content.lose(lost);
    const Placed placed = place.run({.metadata = true, .sync = false, .salvage = true});
    EXPECT_EQ(placed.lost.size(), 2u);
    EXPECT_EQ(read_whole(place.dir / "to/a"), "kept");
    EXPECT_FALSE(std::filesystem::exists(place.dir / "to/b"));
    EXPECT_FALSE(std::filesystem::exists(place.dir / "to/c"));
}

TEST(Place, LostContentEndsItWithoutSalvage) {
    Place place;
    place.content.lose(place.add("b", EntryType::file, "lost").listed.root);
    EXPECT_EQ(place.code_of(), Code::damaged);
}

TEST(Place, NeverWritesThroughAListedSymlink) {
    Place place;
    place.add("way", EntryType::symlink).listed.entry.link = place.dir.path();
    place.add("way/child", EntryType::file, "hostile");
    EXPECT_EQ(place.code_of(), Code::damaged);
    EXPECT_FALSE(std::filesystem::exists(place.dir / "child"));
}

TEST(Place, NeverLinksToWhatItDidNotWrite) {
    for (const std::string first : {"../secret", "way/secret", "none", "folder"}) {
        Place place;
        write_file(place.dir / "secret", "secret");
        place.add("folder", EntryType::directory);
        place.add("way", EntryType::symlink).listed.entry.link = place.dir.path();
        place.add("x", EntryType::hard_link).link_at = first;
        EXPECT_EQ(place.code_of(), Code::damaged) << first;
        EXPECT_FALSE(std::filesystem::exists(place.dir / "to/x"));
    }
}

TEST(Place, RefusesTwoEntriesOfOneName) {
    Place place;
    place.add("a", EntryType::file, "1");
    place.add("a/b", EntryType::file, "2");
    EXPECT_EQ(place.code_of(), Code::damaged);
}

TEST(Place, FailsWhicheverWriteFailsAndSaysWhichFile) {
    for (const Call call : {Call::create, Call::write, Call::sync, Call::make_dir, Call::sync_dir}) {
        for (uint64_t nth = 1;; ++nth) {
            Place place;
            place.add("d", EntryType::directory);
            place.add("d/a", EntryType::file, "small");
            place.add("d/b", EntryType::file, std::string(12'000, 'b'));
            FaultyFileSystem fs;
            fs.fail(call, nth, false);
            try {
                place.run({.metadata = true, .sync = true, .salvage = false}, fs);
            } catch (const Error& error) {
                EXPECT_EQ(error.code(), Code::failed);
                EXPECT_EQ(std::string(error.what()).find("/proc/self"), std::string::npos) << error.what();
                ASSERT_GT(fs.failures(), 0u);
                continue;
            }
            ASSERT_EQ(fs.failures(), 0u) << to_string(call) << " " << nth;
            break;
        }
    }
}

}  // namespace
}  // namespace ingot::test
