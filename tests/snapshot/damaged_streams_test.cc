#include "snapshot/damaged_streams.h"

#include <filesystem>
#include <fstream>

#include "tests/snapshot/snapshot_test_base.h"

namespace ingot {
namespace {

class DamagedStreams : public SnapshotTest {
protected:
    static std::string noise(size_t size, unsigned seed) {
        std::string out(size, '\0');
        uint64_t state = seed * 0x9e3779b97f4a7c15ULL + 1;
        for (char& c : out) {
            state = state * 6364136223846793005ULL + 1442695040888963407ULL;
            c = static_cast<char>(state >> 56);
        }
        return out;
    }
    void put(FakeSource& source, const std::string& path, unsigned seed) { source.add(path, noise(300'000, seed)); }
    Snapshot taken() {
        const TakeResult result = take();
        return {result.id, result.manifest, {}};
    }
    // Damages every data pack that is there now and was not before.
    void damage_packs_since(const std::set<std::string>& before) {
        size_t damaged = 0;
        for (const std::string& path : packs()) {
            if (before.contains(path)) continue;
            std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
            for (int at = 2000; at < 200'000; at += 1000) {
                file.seekp(at);
                file.put('!');
            }
            ++damaged;
        }
        ASSERT_GT(damaged, 0U);
        open();
    }
    std::set<std::string> packs() {
        std::set<std::string> out;
        for (const PackInfo& pack : repository_->packs()) {
            const std::string id = pack.id.hex();
            if (pack.kind != ChunkKind::data) continue;
            for (const auto& entry : std::filesystem::recursive_directory_iterator(dir_.at("repo/packs"))) {
                if (entry.path().filename().string().starts_with(id)) out.insert(entry.path().string());
            }
        }
        return out;
    }
};

TEST_F(DamagedStreams, AreNamedAndASnapshotIsFoundInWhichTheSourceIsWhole) {
    FakeSource docs, db;
    add("docs", docs);
    add("db", db);
    put(docs, "docs/a", 1);
    put(docs, "docs/b", 2);
    put(db, "app.db", 3);
    const Snapshot old = taken();
    put(db, "app.db", 4);
    const Snapshot other_database = taken();
    const std::set<std::string> before = packs();
    put(docs, "docs/b", 5);
    const Snapshot last = taken();
    EXPECT_TRUE(find_damaged(*repository_, last, {}, progress_).empty());
    damage_packs_since(before);
    const std::vector<DamagedSource> found = find_damaged(*repository_, last, {}, progress_);
    ASSERT_EQ(found.size(), 1U);
    EXPECT_EQ(found[0].source, "docs");
    EXPECT_EQ(found[0].paths, std::vector<std::string>{"docs/b"});
    EXPECT_FALSE(found[0].listing);
    EXPECT_EQ(found[0].whole.size(), 1U);
    EXPECT_TRUE(find_damaged(*repository_, last, {"db"}, progress_).empty());
    EXPECT_TRUE(find_damaged(*repository_, old, {}, progress_).empty());
    const std::optional<Snapshot> whole = whole_elsewhere(*repository_, last, found[0], snapshots(), progress_);
    ASSERT_TRUE(whole);
    EXPECT_EQ(whole->id, other_database.id) << "the newest";
    // A golden one goes before a newer one.
    std::vector<Snapshot> all = snapshots();
    for (Snapshot& each : all) {
        if (each.id == old.id) each.attestations.push_back({AttestationKind::golden, old.id, 1, "host", {}, {}});
    }
    EXPECT_EQ(whole_elsewhere(*repository_, last, found[0], all, progress_)->id, old.id);
}

TEST_F(DamagedStreams, AreWholeNowhereWhereEverySnapshotHasTheSameContent) {
    FakeSource docs;
    add("docs", docs);
    put(docs, "docs/a", 1);
    taken();
    put(docs, "docs/b", 2);
    const Snapshot last = taken();  // of before docs/b was there there is one, which is no help
    damage_packs_since({});
    const std::vector<DamagedSource> found = find_damaged(*repository_, last, {}, progress_);
    ASSERT_EQ(found.size(), 1U);
    EXPECT_EQ(found[0].paths, (std::vector<std::string>{"docs/a", "docs/b"}));
    EXPECT_FALSE(whole_elsewhere(*repository_, last, found[0], snapshots(), progress_));
}

}  // namespace
}  // namespace ingot
